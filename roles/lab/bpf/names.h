/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What a descriptor or a name leads to: device and inode, and the path as the kernel has it. A
 * path that the process itself wrote somewhere is not believed: it may change it under our hands.
 */
#ifndef CANDOR_NAMES_H
#define CANDOR_NAMES_H

#include "records.h"

enum { KIND = 0170000, KIND_SOCKET = 0140000, KIND_FILE = 0100000, KIND_BLOCK = 0060000,
       KIND_CHARACTER = 0020000 };

static ALWAYS struct file *file_of(int descriptor)
{
	struct fdtable *table = current_task()->files->fdt;
	struct file **slots = table->fd;
	struct file *file = 0;

	if (descriptor < 0 || (u32)descriptor >= table->max_fds)
		return 0;
	read_kernel(&file, sizeof(file), slots + descriptor);
	return file;
}

static ALWAYS struct file_id identify(struct file *file)
{
	struct inode *inode = FIELD(file, f_inode);
	struct file_id id = {};

	if (!inode)
		return id;
	id.mode = FIELD(inode, i_mode);
	id.inode = FIELD(inode, i_ino);
	struct super_block *where = FIELD(inode, i_sb);
	id.device = FIELD(where, s_dev);
	return id;
}

/* Whether bytes of it are content that somebody keeps. */
static ALWAYS int is_content(u32 mode)
{
	u32 kind = mode & KIND;

	return kind == KIND_FILE || kind == KIND_BLOCK || kind == KIND_CHARACTER;
}

/* On the way from a file to the root. */
struct climb {
	struct vfsmount *mount;
	struct dentry *name, *top;
	u8 *text;
	u32 used;
};

/* The most that a name may take, so that arguments still have room behind it. */
enum { NAME_MAX = TEXT_MAX - ARGUMENTS_MAX - 0x100 };

static long climb_out_of_mount(struct climb *at)
{
	struct mount *outer = (void *)at->mount -
		__builtin_preserve_field_info(((struct mount *)0)->mnt, 0);
	struct mount *parent = FIELD(outer, mnt_parent);

	if (!parent || parent == outer)
		return 1;
	at->name = FIELD(outer, mnt_mountpoint);
	at->mount = __builtin_preserve_access_index(&parent->mnt);
	at->top = FIELD(at->mount, mnt_root);
	return 0;
}

/* One step; another result than 0 ends it. */
static long climb_step(u32 index, struct climb *at)
{
	if (at->name == at->top)
		return climb_out_of_mount(at);
	struct dentry *parent = FIELD(at->name, d_parent);
	if (!parent || parent == at->name)
		return 1;
	u32 length = FIELD(at->name, d_name.len) & 0xff;
	const unsigned char *from = FIELD(at->name, d_name.name);
	u32 used = at->used;
	if (used > NAME_MAX - 0x100)
		return 1;
	read_kernel(at->text + used, length, from);
	used += length;
	at->text[used] = 0;
	at->used = used + 1;
	at->name = parent;
	return 0;
}

/*
 * The parts of a file's name, the leaf first, each ended by a zero byte: up to the root of its
 * mount, on from where that is mounted, up to a mount that is its own parent.
 */
static ALWAYS u32 spell(struct file *file, u8 *text)
{
	struct climb at = {
		.mount = FIELD(file, f_path.mnt),
		.name = FIELD(file, f_path.dentry),
		.text = text,
	};

	at.top = FIELD(at.mount, mnt_root);
	loop(DEPTH_MAX, climb_step, &at, 0);
	return at.used > NAME_MAX ? NAME_MAX : at.used;
}

#endif
