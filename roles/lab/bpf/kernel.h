/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the observer reads of the kernel's own structures: names and types of single fields. Their
 * places are not known here; the loader takes them from the running kernel's description (CO-RE).
 */
#ifndef CANDOR_KERNEL_H
#define CANDOR_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef short s16;
typedef int s32;
typedef long long s64;

#define SECTION(name) __attribute__((section(name), used))
#define ALWAYS __attribute__((always_inline))
#define RELOCATED __attribute__((preserve_access_index))

/* How a map is described to the loader. */
#define UINT(name, value) int(*name)[value]
#define TYPE(name, type) type *name

enum {
	MAP_HASH = 1,
	MAP_ARRAY = 2,
	MAP_PERCPU_ARRAY = 6,
	MAP_RINGBUF = 27,
	MAP_TASK_STORAGE = 29,
};
enum { MAP_GROWS = 1 };       /* BPF_F_NO_PREALLOC */
enum { STORAGE_CREATE = 1 };  /* BPF_LOCAL_STORAGE_GET_F_CREATE */
enum { RING_NO_WAKEUP = 1 };  /* BPF_RB_NO_WAKEUP */

/* Helpers, by their number in the kernel's interface. */
static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*ktime_ns)(void) = (void *)5;
static u64 (*current_pid_tgid)(void) = (void *)14;
static long (*read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*read_user_text)(void *to, u32 size, const void *from) = (void *)114;
static u64 (*ancestor_cgroup)(int level) = (void *)123;
static long (*ring_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static long (*loop)(u32 count, void *step, void *state, u64 flags) = (void *)181;
static void *(*task_storage)(void *map, void *task, void *value, u64 flags) = (void *)156;

struct pt_regs {
	unsigned long di, si, dx, r10, r8, r9, orig_ax, cs;
} RELOCATED;

struct qstr {
	u32 len;
	const unsigned char *name;
} RELOCATED;

struct super_block {
	u32 s_dev;
} RELOCATED;

struct inode {
	u16 i_mode;
	unsigned long i_ino;
	struct super_block *i_sb;
} RELOCATED;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} RELOCATED;

struct vfsmount {
	struct dentry *mnt_root;
} RELOCATED;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} RELOCATED;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} RELOCATED;

struct file {
	struct inode *f_inode;
	struct path f_path;
	void *private_data;
	u32 f_flags;
} RELOCATED;

struct fdtable {
	u32 max_fds;
	struct file **fd;
} RELOCATED;

typedef struct {
	int counter;
} atomic_t;

struct files_struct {
	atomic_t count;
	struct fdtable *fdt;
} RELOCATED;

struct mm_struct {
	unsigned long arg_start, arg_end;
} RELOCATED;

struct thread_info {
	u32 status;
} RELOCATED;

struct signal_struct {
	atomic_t live;
	int group_exit_code;
} RELOCATED;

struct task_struct {
	struct thread_info thread_info;
	s32 tgid;
	int exit_code;
	struct mm_struct *mm;
	struct files_struct *files;
	struct signal_struct *signal;
} RELOCATED;

struct linux_binprm {
	struct file *file;
} RELOCATED;

struct in6_addr {
	u8 bytes[16];
};

struct sock_common {
	u32 skc_daddr, skc_rcv_saddr;
	u16 skc_dport, skc_num, skc_family;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} RELOCATED;

struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol, sk_type;
} RELOCATED;

struct socket {
	struct sock *sk;
} RELOCATED;

static struct task_struct *(*current_task)(void) = (void *)158;

/* One field of a kernel structure that only an address leads to; zero where that is bad. */
#define FIELD(pointer, field)                                                     \
	({                                                                        \
		__typeof__(pointer) pointer_ = (pointer);                         \
		__typeof__(pointer_->field) read_ = {0};                          \
		read_kernel(&read_, sizeof(read_),                                \
			    __builtin_preserve_access_index(&pointer_->field));   \
		read_;                                                            \
	})

#endif
