/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The first of the two observers: what the processes of one cgroup, and of those below it, do, told
 * by tracepoints. It changes nothing, refuses nothing, and reads no content of files.
 *
 * What happens often (reads, writes, bytes of connections) is summed in maps by process and object;
 * what happens seldom goes to a ring. What finds no room in a map goes to the ring; what finds none
 * there is counted as lost.
 */
#include "calls.h"
#include "names.h"
#include "records.h"

struct settings {
	u64 cgroup; /* 0: nobody is watched */
	s32 level;  /* how deep the cgroup lies; -1: not known yet */
	u32 zero;
};

/* What a system call was about to touch when it began. */
struct stash {
	u32 call;
	u32 is_socket;
	struct file_id first, second;
	struct file *file;
	u64 connecting; /* the socket that began to connect meanwhile */
};

struct {
	UINT(type, MAP_ARRAY);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct settings);
} settings SECTION(".maps");

struct {
	UINT(type, MAP_ARRAY);
	UINT(max_entries, LOST_REASONS);
	TYPE(key, u32);
	TYPE(value, u64);
} lost SECTION(".maps");

struct {
	UINT(type, MAP_RINGBUF);
	UINT(max_entries, 16 << 20);
} ring SECTION(".maps");

struct {
	UINT(type, MAP_HASH);
	UINT(max_entries, 1 << 17);
	TYPE(key, struct touched);
	TYPE(value, struct sums);
} touches SECTION(".maps");

struct {
	UINT(type, MAP_HASH);
	UINT(map_flags, MAP_GROWS);
	UINT(max_entries, 1 << 16);
	TYPE(key, struct ends);
	TYPE(value, struct traffic);
} connections SECTION(".maps");

struct {
	UINT(type, MAP_TASK_STORAGE);
	UINT(map_flags, MAP_GROWS);
	TYPE(key, int);
	TYPE(value, struct stash);
} stashes SECTION(".maps");

struct {
	UINT(type, MAP_PERCPU_ARRAY);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct exec_record);
} texts SECTION(".maps");

struct {
	UINT(type, MAP_PERCPU_ARRAY);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct call_record);
} call_texts SECTION(".maps");

static ALWAYS void lose(u32 reason)
{
	u64 *count = map_lookup(&lost, &reason);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static ALWAYS void tell(void *record, u64 size)
{
	if (ring_output(&ring, record, size, RING_NO_WAKEUP))
		lose(LOST_RING);
}

static ALWAYS struct head begin(u32 kind)
{
	struct head head = {
		.kind = kind,
		.pid = current_pid_tgid() >> 32,
		.at = ktime_ns(),
	};
	return head;
}

/* The depth is found once, when the first process of the cgroup comes by: it is not known outside
 * where the cgroups are seen from within a namespace. */
static __attribute__((noinline)) s32 level_of(u64 cgroup)
{
	for (s32 level = 0; level < 32; level++)
		if (ancestor_cgroup(level) == cgroup)
			return level;
	return -1;
}

static ALWAYS int is_watched(void)
{
	u32 zero = 0;
	struct settings *now = map_lookup(&settings, &zero);

	if (!now || !now->cgroup)
		return 0;
	if (now->level < 0) {
		now->level = level_of(now->cgroup);
		return now->level >= 0;
	}
	return ancestor_cgroup(now->level) == now->cgroup;
}

/* Sums up. */

static ALWAYS void touch(const struct file_id *file, u32 how, u64 bytes)
{
	u64 now = ktime_ns();
	struct touched key = {
		.inode = file->inode,
		.device = file->device,
		.how = how,
		.pid = current_pid_tgid() >> 32,
	};
	struct sums *sums = map_lookup(&touches, &key);

	if (sums) {
		__sync_fetch_and_add(&sums->bytes, bytes);
		__sync_fetch_and_add(&sums->calls, 1);
		sums->last = now;
		return;
	}
	struct sums first = { .bytes = bytes, .calls = 1, .first = now, .last = now };
	/* 1: only where it is not there yet, so that a thread's sum is not overwritten. */
	if (map_update(&touches, &key, &first, 1)) {
		struct touch_record record = {
			.head = begin(RECORD_TOUCH),
			.key = key,
			.bytes = bytes,
		};
		tell(&record, sizeof(record));
	}
}

static ALWAYS void transfer(const struct ends *ends, u64 sent, u64 received)
{
	u64 now = ktime_ns();
	struct traffic *traffic = map_lookup(&connections, ends);

	if (traffic) {
		__sync_fetch_and_add(&traffic->sent, sent);
		__sync_fetch_and_add(&traffic->received, received);
		traffic->last = now;
		return;
	}
	struct traffic first = { .sent = sent, .received = received, .first = now, .last = now };
	if (map_update(&connections, ends, &first, 1)) {
		struct traffic_record record = {
			.head = begin(RECORD_TRAFFIC),
			.ends = *ends,
			.sent = sent,
			.received = received,
		};
		tell(&record, sizeof(record));
	}
}

/* Sockets. */

enum { FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_INET6 = 10, FAMILY_PACKET = 17 };
enum { PROTOCOL_TCP = 6 };

static ALWAYS u16 host_order(u16 value)
{
	return __builtin_bswap16(value);
}

static ALWAYS struct ends ends_of(struct sock *sock)
{
	struct ends ends = { .pid = current_pid_tgid() >> 32 };

	ends.family = FIELD(sock, __sk_common.skc_family);
	ends.protocol = FIELD(sock, sk_protocol);
	if (ends.family == FAMILY_INET) {
		u32 local = FIELD(sock, __sk_common.skc_rcv_saddr);
		u32 remote = FIELD(sock, __sk_common.skc_daddr);
		__builtin_memcpy(ends.local, &local, 4);
		__builtin_memcpy(ends.remote, &remote, 4);
	} else if (ends.family == FAMILY_INET6) {
		struct in6_addr local = FIELD(sock, __sk_common.skc_v6_rcv_saddr);
		struct in6_addr remote = FIELD(sock, __sk_common.skc_v6_daddr);
		__builtin_memcpy(ends.local, &local, 16);
		__builtin_memcpy(ends.remote, &remote, 16);
	} else {
		return ends;
	}
	ends.local_port = FIELD(sock, __sk_common.skc_num);
	ends.remote_port = host_order(FIELD(sock, __sk_common.skc_dport));
	return ends;
}

/* Another end that the process names, where the socket itself has none. */
static ALWAYS void name_remote(struct ends *ends, const void *address)
{
	u8 raw[28] = {};
	u16 family, port;

	if (ends->remote_port || !address)
		return;
	/* An address of the older protocol is shorter, and may end where the memory ends. */
	if (read_user(raw, 28, address) && read_user(raw, 16, address))
		return;
	__builtin_memcpy(&family, raw, 2);
	__builtin_memcpy(&port, raw + 2, 2);
	if (family == FAMILY_INET)
		__builtin_memcpy(ends->remote, raw + 4, 4);
	else if (family == FAMILY_INET6)
		__builtin_memcpy(ends->remote, raw + 8, 16);
	else
		return;
	ends->remote_port = host_order(port);
}

static ALWAYS struct sock *sock_of(struct file *file)
{
	struct socket *socket = FIELD(file, private_data);

	return FIELD(socket, sk);
}

struct message {
	const void *name;
	u32 name_bytes, zero;
	const void *parts;
	u64 part_count;
	const void *control;
	u64 control_bytes;
	u32 flags, zero2;
};

struct counted_message {
	struct message message;
	u32 bytes, zero;
};

enum { MESSAGES_MAX = 1024 };

struct batch {
	const struct counted_message *from;
	u64 count;
	struct ends ends;
	u32 is_sent;
};

static long batch_step(u32 index, struct batch *batch)
{
	struct counted_message one = {};
	struct ends here = batch->ends;

	if (index >= batch->count)
		return 1;
	read_user(&one, sizeof(one), batch->from + index);
	name_remote(&here, one.message.name);
	transfer(&here, batch->is_sent ? one.bytes : 0, batch->is_sent ? 0 : one.bytes);
	return 0;
}

/* Each message of a batch may go elsewhere. */
static __attribute__((noinline)) long batched(struct file *file, const struct counted_message *from,
					      u64 count, u32 is_sent)
{
	struct batch batch = {
		.from = from,
		.count = count,
		.ends = ends_of(sock_of(file)),
		.is_sent = is_sent,
	};

	loop(MESSAGES_MAX, batch_step, &batch, 0);
	return 0;
}

/* A system call begins: only what it is about is kept, since what a descriptor leads to may be
 * exchanged while the call goes on. */

static ALWAYS struct stash *stash_for(u32 call)
{
	struct stash *stash = task_storage(&stashes, current_task(), 0, STORAGE_CREATE);

	if (!stash) {
		lose(LOST_STASH);
		return 0;
	}
	stash->call = call;
	stash->connecting = 0;
	return stash;
}

static ALWAYS void keep(struct stash *stash, int first, int second)
{
	stash->file = file_of(first);
	stash->first = identify(stash->file);
	stash->is_socket = (stash->first.mode & KIND) == KIND_SOCKET;
	stash->second.mode = 0;
	if (second >= 0)
		stash->second = identify(file_of(second));
}

enum { IS_32_BIT = 2 };        /* TS_COMPAT */
enum { IS_X32 = 0x40000000 };

/* The same number means another call there. */
static ALWAYS int is_foreign(u64 call)
{
	return (current_task()->thread_info.status & IS_32_BIT) || (call & IS_X32);
}

/* What one or two descriptors of this call lead to, if it has any. */
static ALWAYS int is_about(struct stash *stash, struct pt_regs *registers, u8 action)
{
	int first = registers->di, second = -1;

	if (action == A_SENDFILE)
		second = registers->si;
	else if (action == A_SPLICE)
		second = registers->dx;
	else if (action == A_MMAP)
		first = registers->r10 & 0x20 ? -1 : (int)registers->r8;
	if (action == A_MMAP && first < 0)
		return 0;
	keep(stash, first, second);
	return 1;
}

/* Nobody else can exchange what a descriptor leads to while a call goes on: then the call's end
 * is early enough to look, and its beginning costs nothing. */
static ALWAYS int is_alone(u8 action)
{
	return action != A_CONNECT && current_task()->files->count.counter == 1;
}

SECTION("tp_btf/sys_enter")
int on_enter(u64 *context)
{
	struct pt_regs *registers = (void *)context[0];
	u64 call = context[1];

	if (is_foreign(call)) {
		if (is_watched())
			lose(LOST_FOREIGN);
		return 0;
	}
	if (call >= CALLS_MAX)
		return 0;
	u8 action = actions[call];
	if (action < A_READ || action > A_CONNECT || action == A_OPEN)
		return 0;
	if (!is_watched())
		return 0;
	if (is_alone(action))
		return 0;
	struct stash *stash = stash_for(call);
	if (stash && !is_about(stash, registers, action))
		stash->call = ~0U;
	return 0;
}

/* A system call ends: it is told, or summed up, by what it did. */

static ALWAYS void moved(const struct stash *stash, struct pt_regs *registers, u8 action, u64 bytes)
{
	int is_write = action == A_WRITE || action == A_SENDTO || action == A_SENDMSG;

	if (!stash->is_socket) {
		if (is_content(stash->first.mode))
			touch(&stash->first, is_write ? HOW_WRITE : HOW_READ, bytes);
		return;
	}
	struct ends ends = ends_of(sock_of(stash->file));
	const void *address = 0;
	if (action == A_SENDTO || action == A_RECVFROM)
		address = (void *)registers->r8;
	else if (action == A_SENDMSG || action == A_RECVMSG)
		read_user(&address, sizeof(address), (void *)registers->si);
	name_remote(&ends, address);
	if (ends.family != FAMILY_UNIX)
		transfer(&ends, is_write ? bytes : 0, is_write ? 0 : bytes);
}

/* Content that goes from descriptor to descriptor inside the kernel. */
static ALWAYS void spliced(const struct stash *stash, u8 action, u64 bytes)
{
	const struct file_id *from = action == A_SENDFILE ? &stash->second : &stash->first;
	const struct file_id *to = action == A_SENDFILE ? &stash->first : &stash->second;

	if (is_content(from->mode))
		touch(from, HOW_SPLICE, bytes);
	if (is_content(to->mode))
		touch(to, HOW_SPLICE_WRITE, bytes);
}

/* Which of the two is a socket is looked up again: a batch of splices is rare. */
static ALWAYS void spliced_socket(struct pt_regs *registers, u8 action, u64 bytes)
{
	int out = action == A_SENDFILE ? registers->di : registers->dx;
	int in = action == A_SENDFILE ? registers->si : registers->di;
	struct file *file = file_of(out);

	if ((identify(file).mode & KIND) == KIND_SOCKET) {
		struct ends ends = ends_of(sock_of(file));
		if (ends.family != FAMILY_UNIX)
			transfer(&ends, bytes, 0);
	}
	file = file_of(in);
	if ((identify(file).mode & KIND) == KIND_SOCKET) {
		struct ends ends = ends_of(sock_of(file));
		if (ends.family != FAMILY_UNIX)
			transfer(&ends, 0, bytes);
	}
}

static ALWAYS void mapped(const struct stash *stash, struct pt_regs *registers)
{
	if (!is_content(stash->first.mode))
		return;
	touch(&stash->first, HOW_MAP, registers->si);
	/* Shared, and writable. */
	if ((registers->r10 & 1) && (registers->dx & 2))
		touch(&stash->first, HOW_MAP_WRITE, registers->si);
}

static ALWAYS void connected(const struct stash *stash, struct pt_regs *registers, s64 result)
{
	struct sock *sock = sock_of(stash->file);
	struct connect_record record = {
		.head = begin(RECORD_CONNECT),
		.result = result,
		.ends = ends_of(sock),
	};

	/* Its first packet was told when it left. */
	if (!stash->is_socket || (stash->connecting && stash->connecting == (u64)sock))
		return;
	name_remote(&record.ends, (void *)registers->si);
	if (record.ends.family == FAMILY_UNIX)
		read_user(record.unix_path, 110, (void *)registers->si);
	tell(&record, sizeof(record));
}

static __attribute__((noinline)) long opened(int descriptor)
{
	u32 zero = 0;
	struct exec_record *scratch = map_lookup(&texts, &zero);
	struct file *file = file_of(descriptor);

	if (!scratch || !file)
		return 0;
	struct open_record *record = (void *)scratch;
	record->head = begin(RECORD_OPEN);
	record->file = identify(file);
	if (!is_content(record->file.mode))
		return 0;
	record->flags = FIELD(file, f_flags);
	record->text_bytes = spell(file, record->text);
	tell(record, __builtin_offsetof(struct open_record, text) +
			     (record->text_bytes & (TEXT_MAX - 1)));
	return 0;
}

struct control_block {
	u64 data;
	u32 key, flags;
	u16 call;
	s16 priority;
	u32 descriptor;
	u64 buffer, bytes;
	s64 offset;
	u64 zero;
	u32 zero2, event;
};

enum { AIO_MAX = 4096 };

struct submission {
	const u64 *blocks;
	u64 count;
};

static long submitted_step(u32 index, struct submission *these)
{
	struct control_block block = {};
	u64 at = 0;

	if (index >= these->count)
		return 1;
	read_user(&at, sizeof(at), these->blocks + index);
	read_user(&block, sizeof(block), (void *)at);
	struct file_id file = identify(file_of(block.descriptor));
	if (is_content(file.mode))
		touch(&file, block.call & 1 ? HOW_WRITE : HOW_READ, block.bytes);
	return 0;
}

/* Reads and writes that are handed over in advance; counted by what was asked for. */
static __attribute__((noinline)) long submitted(const u64 *blocks, u64 count)
{
	struct submission these = { .blocks = blocks, .count = count };

	if (count > AIO_MAX)
		lose(LOST_AIO);
	loop(AIO_MAX, submitted_step, &these, 0);
	return 0;
}

static __attribute__((noinline)) long called(struct pt_regs *registers, u32 call, s64 result,
					     u8 action)
{
	u32 zero = 0;
	struct call_record *record = map_lookup(&call_texts, &zero);

	if (!record)
		return 0;
	record->head = begin(RECORD_CALL);
	record->result = result;
	record->number = call;
	record->arguments[0] = registers->di;
	record->arguments[1] = registers->si;
	record->arguments[2] = registers->dx;
	record->arguments[3] = registers->r10;
	record->arguments[4] = registers->r8;
	record->arguments[5] = registers->r9;
	record->text[0] = 0;
	record->text[USER_TEXT_MAX] = 0;
	if (action == A_CALL_TEXT || action == A_CALL_TEXT2)
		read_user_text(record->text, USER_TEXT_MAX, (void *)registers->di);
	if (action == A_CALL_TEXT2)
		read_user_text(record->text + USER_TEXT_MAX, USER_TEXT_MAX, (void *)registers->si);
	if (action == A_CALL_ADDRESS && read_user(record->text, 110, (void *)registers->si))
		read_user(record->text, 16, (void *)registers->si);
	tell(record, sizeof(*record));
	return 0;
}

/* CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
enum { NEW_NAMESPACES = 0x80 | 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 |
			0x20000000 | 0x40000000 };

static ALWAYS int makes_namespaces(struct pt_regs *registers, u8 action)
{
	u64 flags = registers->di;

	if (action == A_CLONE3)
		read_user(&flags, sizeof(flags), (void *)registers->di);
	/* The lowest byte of the older call is a signal. */
	else
		flags &= ~0xffULL;
	return (flags & NEW_NAMESPACES) != 0;
}

/* Sockets past the protocols that the gateway speaks: raw, packets, machines, the kernel's own. */
static ALWAYS int is_raw(struct pt_regs *registers)
{
	u32 family = registers->di, kind = registers->si & 0xf;
	int is_plain = family == FAMILY_UNIX || family == FAMILY_INET || family == FAMILY_INET6;

	return !is_plain || kind == 3;
}

static ALWAYS void finished(struct stash *stash, struct pt_regs *registers, u8 action, s64 result)
{
	if (action == A_MMAP) {
		mapped(stash, registers);
	} else if (action == A_SENDFILE || action == A_SPLICE) {
		spliced(stash, action, result);
		spliced_socket(registers, action, result);
	} else if (action == A_SENDMMSG || action == A_RECVMMSG) {
		if (stash->is_socket)
			batched(stash->file, (void *)registers->si, result, action == A_SENDMMSG);
	} else {
		moved(stash, registers, action, result);
	}
}

static ALWAYS void ended(struct pt_regs *registers, u32 call, u8 action, s64 result)
{
	int moved_nothing = result <= 0 && result > -4096;

	if (is_alone(action)) {
		struct stash now = {};
		if (!moved_nothing && is_about(&now, registers, action))
			finished(&now, registers, action, result);
		return;
	}
	struct stash *stash = task_storage(&stashes, current_task(), 0, 0);
	/* A call that was refused before it began left nothing. */
	if (!stash || stash->call != call)
		return;
	stash->call = ~0U;
	if (action == A_CONNECT)
		connected(stash, registers, result);
	else if (!moved_nothing)
		finished(stash, registers, action, result);
}

SECTION("tp_btf/sys_exit")
int on_exit(u64 *context)
{
	struct pt_regs *registers = (void *)context[0];
	s64 result = context[1];
	u64 call = registers->orig_ax;

	if (call >= CALLS_MAX || is_foreign(call))
		return 0;
	u8 action = actions[call];
	if (action == A_NONE || !is_watched())
		return 0;
	if (action <= A_CONNECT && action != A_OPEN) {
		ended(registers, call, action, result);
	} else if (action == A_OPEN) {
		if (result >= 0)
			opened(result);
	} else if (action == A_AIO) {
		if (result > 0)
			submitted((void *)registers->dx, result);
	} else if (action == A_CLONE || action == A_CLONE3) {
		if (result != 0 && makes_namespaces(registers, action))
			called(registers, call, result, action);
	} else if (action == A_SOCKET) {
		if (is_raw(registers))
			called(registers, call, result, action);
	} else {
		called(registers, call, result, action);
	}
	return 0;
}

/* Processes. */

SECTION("tp_btf/sched_process_fork")
int on_fork(u64 *context)
{
	struct task_struct *parent = (void *)context[0], *child = (void *)context[1];

	if (parent->tgid == child->tgid || !is_watched())
		return 0;
	struct fork_record record = { .head = begin(RECORD_FORK), .child = child->tgid };
	tell(&record, sizeof(record));
	return 0;
}

SECTION("tp_btf/sched_process_exit")
int on_end(u64 *context)
{
	struct task_struct *task = (void *)context[0];

	/* The last thread of its process. */
	if (task->signal->live.counter != 0 || !is_watched())
		return 0;
	struct exit_record record = { .head = begin(RECORD_EXIT) };
	record.status = task->signal->group_exit_code;
	if (!record.status)
		record.status = task->exit_code;
	tell(&record, sizeof(record));
	return 0;
}

SECTION("tp_btf/sched_process_exec")
int on_exec(u64 *context)
{
	struct task_struct *task = (void *)context[0];
	struct linux_binprm *program = (void *)context[2];
	u32 zero = 0;

	if (!is_watched())
		return 0;
	struct exec_record *record = map_lookup(&texts, &zero);
	if (!record)
		return 0;
	struct file *file = FIELD(program, file);
	record->head = begin(RECORD_EXEC);
	record->file = identify(file);
	record->text_bytes = spell(file, record->text);
	u64 start = task->mm->arg_start, size = task->mm->arg_end - start;
	if (size > ARGUMENTS_MAX)
		size = ARGUMENTS_MAX;
	u32 at = record->text_bytes;
	if (at > TEXT_MAX - ARGUMENTS_MAX)
		at = TEXT_MAX - ARGUMENTS_MAX;
	record->arguments_bytes = size;
	if (read_user(record->text + at, size, (void *)start))
		record->arguments_bytes = 0;
	u64 total = at + record->arguments_bytes;
	if (total > TEXT_MAX)
		return 0;
	tell(record, __builtin_offsetof(struct exec_record, text) + total);
	return 0;
}

enum { STATE_SYN_SENT = 2 };

/* A connection's first packet, however it was asked for: `connect`, or a send that connects. */
SECTION("tp_btf/inet_sock_set_state")
int on_state(u64 *context)
{
	struct sock *sock = (void *)context[0];
	int to = context[2];

	if (to != STATE_SYN_SENT || !is_watched())
		return 0;
	struct connect_record record = {
		.head = begin(RECORD_CONNECT),
		.ends = ends_of(sock),
	};
	struct stash *stash = task_storage(&stashes, current_task(), 0, 0);
	if (stash && stash->call == CALL_CONNECT)
		stash->connecting = (u64)sock;
	tell(&record, sizeof(record));
	return 0;
}

char terms[] SECTION("license") = "Dual MIT/GPL";
