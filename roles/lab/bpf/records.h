/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What goes from the kernel to the recorder: records in the ring, and sums in two maps. Little
 * endian, without holes; `src/observe/record.rs` reads the same layout.
 */
#ifndef CANDOR_RECORDS_H
#define CANDOR_RECORDS_H

#include "kernel.h"

enum { TEXT_MAX = 4096, USER_TEXT_MAX = 256, ARGUMENTS_MAX = 1024, DEPTH_MAX = 64 };

enum record_kind {
	RECORD_FORK = 1,
	RECORD_EXIT = 2,
	RECORD_EXEC = 3,
	RECORD_OPEN = 4,
	RECORD_CONNECT = 5,
	RECORD_CALL = 6,
	RECORD_TOUCH = 7,   /* a sum that had no room in its map */
	RECORD_TRAFFIC = 8, /* the same for a connection */
};

enum how {
	HOW_READ = 1,
	HOW_WRITE = 2,
	HOW_MAP = 3,
	HOW_MAP_WRITE = 4,
	HOW_SPLICE = 5,
	HOW_SPLICE_WRITE = 6,
};

struct head {
	u32 kind;
	u32 pid;
	u64 at;
};

struct file_id {
	u64 inode;
	u32 device;
	u32 mode;
};

struct touched {
	u64 inode;
	u32 device;
	u32 how;
	u32 pid;
	u32 zero;
};

struct sums {
	u64 bytes, calls, first, last;
};

struct ends {
	u8 local[16], remote[16];
	u16 local_port, remote_port; /* both in host order */
	u16 family, protocol;
	u32 pid;
};

struct traffic {
	u64 sent, received, first, last;
};

struct fork_record {
	struct head head;
	u32 child, zero;
};

struct exit_record {
	struct head head;
	s32 status;
	u32 zero;
};

/* The name follows, the leaf first, each part ended by a zero byte. */
struct open_record {
	struct head head;
	struct file_id file;
	u32 flags, text_bytes;
	u8 text[TEXT_MAX];
};

/* The name as above, then the arguments as the process has them, each ended by a zero byte. */
struct exec_record {
	struct head head;
	struct file_id file;
	u32 text_bytes, arguments_bytes;
	u8 text[TEXT_MAX];
};

struct connect_record {
	struct head head;
	s64 result;
	struct ends ends;
	u32 zero;
	u8 unix_path[112];
};

struct call_record {
	struct head head;
	s64 result;
	u64 arguments[6];
	u32 number, zero;
	u8 text[2 * USER_TEXT_MAX];
};

struct touch_record {
	struct head head;
	struct touched key;
	u64 bytes;
};

struct traffic_record {
	struct head head;
	struct ends ends;
	u32 zero;
	u64 sent, received;
};

/* What could not be told, by reason. */
enum lost {
	LOST_RING = 0,
	LOST_STASH = 1,
	LOST_AIO = 2,
	LOST_MESSAGES = 3,
	LOST_FOREIGN = 3, /* a system call through an interface that is not watched */
	LOST_REASONS = 8,
};

#endif
