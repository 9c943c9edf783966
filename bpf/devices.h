/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Device nodes, by what they are: a node can have any name. Every container has
 * the same few (null, zero, full, random, urandom, tty, console, ptmx, pts: the
 * list of the OCI runtime specification), and through them nobody reaches more
 * than his own. Any other one was made for somebody: who is gated opens it only
 * where the policy relaxes the denial by name, and then still by its path. A
 * number that is not known here is one of those.
 */
#pragma once
#include "kernel.h"

#define MAJOR_NONE 0 /* Documentation/admin-guide/devices.txt; 0:0 is an overlay's whiteout */
#define MAJOR_MEM 1
#define MAJOR_TTYAUX 5
#define MAJOR_PTS 136
#define MAJOR_PTS_LAST 143

/* The built-in rule against opening a character device, or 0. */
static __always_inline u32 character_device(u32 major, u32 minor)
{
	switch (major) {
	case MAJOR_NONE:
		return 0;
	case MAJOR_MEM:
		switch (minor) {
		case 3: /* null */
		case 5: /* zero */
		case 7: /* full */
		case 8: /* random */
		case 9: /* urandom */
			return 0;
		case 11: /* kmsg */
			return RULE_KERNEL_LOG;
		}
		return RULE_KERNEL_MEMORY; /* mem, kmem, port, oldmem */
	case MAJOR_TTYAUX:
		return minor <= 2 ? 0 : RULE_DEVICES; /* tty, console, ptmx */
	}
	return major >= MAJOR_PTS && major <= MAJOR_PTS_LAST ? 0 : RULE_DEVICES;
}

/* The same for an inode that is there. */
static __always_inline u32 device(u32 mode, u32 dev)
{
	if ((mode & S_IFMT) == S_IFBLK)
		return RULE_BLOCK_DEVICES;
	if ((mode & S_IFMT) == S_IFCHR)
		return character_device(dev >> 20, dev & 0xfffff);
	return 0;
}

/* Against making a node: as user space writes the number. A node gives a device another path. */
static __always_inline u32 device_made(u32 mode, u32 dev)
{
	if ((mode & S_IFMT) == S_IFBLK)
		return RULE_MKNOD;
	if ((mode & S_IFMT) == S_IFCHR &&
	    character_device((dev & 0xfff00) >> 8, (dev & 0xff) | ((dev >> 12) & 0xfff00)))
		return RULE_MKNOD;
	return 0;
}
