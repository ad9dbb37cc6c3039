/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which system call is looked at how. x86-64's numbers; a number that is not here is not looked at.
 */
#ifndef CANDOR_CALLS_H
#define CANDOR_CALLS_H

#include "kernel.h"

enum action {
	A_NONE = 0,
	/* A descriptor first, bytes as the result. */
	A_READ,
	A_WRITE,
	/* A socket first; where the other end is named. */
	A_SENDTO,
	A_RECVFROM,
	A_SENDMSG,
	A_RECVMSG,
	A_SENDMMSG,
	A_RECVMMSG,
	/* Two descriptors: out and in, in and out, in and out four arguments further. */
	A_SENDFILE,
	A_SPLICE,
	A_MMAP,
	A_OPEN,
	A_CONNECT,
	A_SOCKET,
	A_AIO,
	A_CLONE,
	A_CLONE3,
	/* Told as it is: number, arguments, result; and up to two texts among the arguments. */
	A_CALL,
	A_CALL_TEXT,
	A_CALL_TEXT2,
	A_CALL_ADDRESS,
};

enum { CALLS_MAX = 512, CALL_CONNECT = 42 };

static const u8 actions[CALLS_MAX] = {
	[0] = A_READ,     /* read */
	[1] = A_WRITE,    /* write */
	[2] = A_OPEN,     /* open */
	[9] = A_MMAP,     /* mmap */
	[17] = A_READ,    /* pread64 */
	[18] = A_WRITE,   /* pwrite64 */
	[19] = A_READ,    /* readv */
	[20] = A_WRITE,   /* writev */
	[40] = A_SENDFILE, /* sendfile */
	[41] = A_SOCKET,  /* socket */
	[42] = A_CONNECT, /* connect */
	[44] = A_SENDTO,  /* sendto */
	[45] = A_RECVFROM, /* recvfrom */
	[46] = A_SENDMSG, /* sendmsg */
	[47] = A_RECVMSG, /* recvmsg */
	[49] = A_CALL_ADDRESS, /* bind */
	[50] = A_CALL,    /* listen */
	[56] = A_CLONE,   /* clone */
	[85] = A_OPEN,    /* creat */
	[101] = A_CALL,   /* ptrace */
	[105] = A_CALL,   /* setuid */
	[106] = A_CALL,   /* setgid */
	[113] = A_CALL,   /* setreuid */
	[114] = A_CALL,   /* setregid */
	[116] = A_CALL,   /* setgroups */
	[117] = A_CALL,   /* setresuid */
	[119] = A_CALL,   /* setresgid */
	[122] = A_CALL,   /* setfsuid */
	[123] = A_CALL,   /* setfsgid */
	[126] = A_CALL,   /* capset */
	[133] = A_CALL_TEXT, /* mknod */
	[155] = A_CALL_TEXT2, /* pivot_root */
	[159] = A_CALL,   /* adjtimex */
	[161] = A_CALL_TEXT, /* chroot */
	[163] = A_CALL_TEXT, /* acct */
	[164] = A_CALL,   /* settimeofday */
	[165] = A_CALL_TEXT2, /* mount */
	[166] = A_CALL_TEXT, /* umount2 */
	[167] = A_CALL_TEXT, /* swapon */
	[168] = A_CALL_TEXT, /* swapoff */
	[169] = A_CALL,   /* reboot */
	[170] = A_CALL_TEXT, /* sethostname */
	[171] = A_CALL_TEXT, /* setdomainname */
	[172] = A_CALL,   /* iopl */
	[173] = A_CALL,   /* ioperm */
	[175] = A_CALL,   /* init_module */
	[176] = A_CALL_TEXT, /* delete_module */
	[179] = A_CALL,   /* quotactl */
	[209] = A_AIO,    /* io_submit */
	[227] = A_CALL,   /* clock_settime */
	[246] = A_CALL,   /* kexec_load */
	[248] = A_CALL_TEXT2, /* add_key */
	[249] = A_CALL_TEXT2, /* request_key */
	[250] = A_CALL,   /* keyctl */
	[257] = A_OPEN,   /* openat */
	[259] = A_CALL,   /* mknodat */
	[272] = A_CALL,   /* unshare */
	[275] = A_SPLICE, /* splice */
	[295] = A_READ,   /* preadv */
	[296] = A_WRITE,  /* pwritev */
	[298] = A_CALL,   /* perf_event_open */
	[299] = A_RECVMMSG, /* recvmmsg */
	[300] = A_CALL,   /* fanotify_init */
	[304] = A_OPEN,   /* open_by_handle_at */
	[305] = A_CALL,   /* clock_adjtime */
	[307] = A_SENDMMSG, /* sendmmsg */
	[308] = A_CALL,   /* setns */
	[310] = A_CALL,   /* process_vm_readv */
	[311] = A_CALL,   /* process_vm_writev */
	[313] = A_CALL,   /* finit_module */
	[319] = A_CALL_TEXT, /* memfd_create */
	[320] = A_CALL,   /* kexec_file_load */
	[321] = A_CALL,   /* bpf */
	[323] = A_CALL,   /* userfaultfd */
	[326] = A_SPLICE, /* copy_file_range */
	[327] = A_READ,   /* preadv2 */
	[328] = A_WRITE,  /* pwritev2 */
	[425] = A_CALL,   /* io_uring_setup */
	[426] = A_CALL,   /* io_uring_enter */
	[427] = A_CALL,   /* io_uring_register */
	[428] = A_CALL,   /* open_tree */
	[429] = A_CALL,   /* move_mount */
	[430] = A_CALL_TEXT, /* fsopen */
	[432] = A_CALL,   /* fsmount */
	[435] = A_CLONE3, /* clone3 */
	[437] = A_OPEN,   /* openat2 */
	[438] = A_CALL,   /* pidfd_getfd */
	[442] = A_CALL,   /* mount_setattr */
	[467] = A_CALL,   /* open_tree_attr */
};

#endif
