/* A product as the observers' tests need one: it touches files and sockets in every way that they
 * promise to see. It says which files, by device and inode, and how. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[4096];

static void must(int held, const char *what)
{
	if (!held) {
		perror(what);
		exit(3);
	}
}

/* Makes a file of 1,000 bytes before anybody looks, so that making it is no reading. */
static int made(const char *name)
{
	struct stat stat;
	int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	must(file >= 0 && write(file, buffer, 1000) == 1000, name);
	must(fstat(file, &stat) == 0, name);
	printf("%s %u:%u %lu\n", name, major(stat.st_dev), minor(stat.st_dev), stat.st_ino);
	close(file);
	return 0;
}

static int opened(const char *name)
{
	int file = open(name, O_RDONLY);

	must(file >= 0, name);
	return file;
}

static void send_descriptor(int socket, int file)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &file, sizeof(int));
	must(sendmsg(socket, &message, 0) == 1, "sendmsg");
}

static int received_descriptor(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int file;

	must(recvmsg(socket, &message, 0) == 1, "recvmsg");
	memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return file;
}

static void passed(void)
{
	int ends[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
	if (fork() == 0) {
		must(read(received_descriptor(ends[1]), buffer, 300) == 300, "passed");
		_exit(0);
	}
	send_descriptor(ends[0], opened("passed"));
	wait(0);
}

static void files(void)
{
	int file, pipes[2], out = open("out", O_WRONLY | O_CREAT, 0600);

	file = opened("read");
	must(read(file, buffer, 600) == 600 && read(file, buffer, 600) == 400, "read");
	must(read(file, buffer, 600) == 0, "end");
	must(read(opened("one"), buffer, 1) == 1, "one");
	must(pread(opened("pread"), buffer, 50, 7) == 50, "pread");
	struct iovec parts[2] = { { buffer, 20 }, { buffer + 20, 30 } };
	must(readv(opened("readv"), parts, 2) == 50, "readv");
	must(preadv2(opened("preadv2"), parts, 2, 3, 0) == 50, "preadv2");
	file = opened("mapped");
	char *map = mmap(0, 1000, PROT_READ, MAP_PRIVATE, file, 0);
	must(map != MAP_FAILED, "mmap");
	buffer[0] += map[500];
	must(sendfile(out, opened("sent"), 0, 700) == 700, "sendfile");
	must(pipe(pipes) == 0, "pipe");
	must(splice(opened("spliced"), 0, pipes[1], 0, 800, 0) == 800, "splice");
	must(copy_file_range(opened("copied"), 0, out, 0, 900, 0) == 900, "copy_file_range");
	aio_context_t context = 0;
	struct iocb block = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = opened("queued"),
			      .aio_buf = (unsigned long)buffer, .aio_nbytes = 250 };
	struct iocb *blocks[1] = { &block };
	must(syscall(SYS_io_setup, 1, &context) == 0, "io_setup");
	must(syscall(SYS_io_submit, context, 1, blocks) == 1, "io_submit");
	passed();
	/* Two processes with one table of descriptors. */
	if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0) {
		must(read(opened("shared"), buffer, 123) == 123, "shared");
		_exit(0);
	}
	wait(0);
}

static void network(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(4711) };
	struct ifreq loop = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	int datagram = socket(AF_INET, SOCK_DGRAM, 0), server;

	must(ioctl(listener, SIOCSIFFLAGS, &loop) == 0, "lo");
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(listener, (void *)&here, sizeof(here)) == 0 && listen(listener, 1) == 0, "bind");
	must(connect(client, (void *)&here, sizeof(here)) == 0, "connect");
	server = accept(listener, 0, 0);
	must(send(client, "hello", 5, 0) == 5 && write(client, "there", 5) == 5, "send");
	must(recv(server, buffer, 10, MSG_WAITALL) == 10, "recv");
	must(sendfile(server, opened("read"), 0, 40) == 40, "sendfile to a socket");
	must(recv(client, buffer, 40, MSG_WAITALL) == 40, "recv");
	here.sin_port = htons(4712);
	must(sendto(datagram, "abc", 3, 0, (void *)&here, sizeof(here)) == 3, "sendto");
	struct iovec part = { "defg", 4 };
	struct mmsghdr batch[2] = { { .msg_hdr = { .msg_iov = &part, .msg_iovlen = 1,
			.msg_name = &here, .msg_namelen = sizeof(here) } } };
	batch[1] = batch[0];
	must(sendmmsg(datagram, batch, 2, 0) == 2, "sendmmsg");
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/no/such/socket" };
	connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, sizeof(name));
	struct sockaddr_in6 version6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
	inet_pton(AF_INET6, "2001:db8::1", &version6.sin6_addr);
	connect(socket(AF_INET6, SOCK_STREAM, 0), (void *)&version6, sizeof(version6));
}

/* As an enclosure does it. */
static void refuse_rings(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, filter };

	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
}

static void privileges(void)
{
	char ring[256] = {0};

	must(socket(AF_PACKET, SOCK_RAW, 0) >= 0, "raw socket");
	must(setuid(0) == 0, "setuid");
	must(chroot("/") == 0, "chroot");
	must(unshare(CLONE_NEWUTS) == 0, "unshare");
	refuse_rings();
	must(syscall(SYS_io_uring_setup, 1, ring) == -1, "a ring was granted");
}

int main(void)
{
	static const char *names[] = { "read", "one", "pread", "readv", "preadv2", "mapped", "sent",
				       "spliced", "copied", "queued", "passed", "catted",
				       "shared" };

	for (unsigned index = 0; index < sizeof(names) / sizeof(*names); index++)
		made(names[index]);
	printf("pid %d\nready\n", getpid());
	fflush(stdout);
	/* Whoever watches says when. */
	must(read(0, buffer, 1) == 1, "start");
	files();
	network();
	if (fork() == 0) {
		execl("/bin/sh", "sh", "-c", "exec /bin/cat catted > /dev/null", (char *)0);
		_exit(4);
	}
	wait(0);
	privileges();
	return 7;
}
