/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ABI of self-protection: see guard.h. Its records are struct event with kind
 * EVENT_GUARD, slot SLOT_NONE and rule RULE_SELF_PROTECTION, where
 *   exe        is the enum guarded
 *   subject    the object's id, process id, or the inode number of the guarded directory
 *   flags      the enum guard_why
 *   requested  the mode of a descriptor or of tracing, a signal, the flags of an open
 *   table_id   how many records the cgroup's tasks are owed since the last one
 * and behind it a class byte and the object's name, cut to GUARD_NAME.
 */
#pragma once

#define GUARD_RATES 256		     /* elements of the map guard_rates, a power of two */
#define GUARD_BURST 32		     /* refusals of a cgroup that are recorded ... */
#define GUARD_BURST_ALLOWED 8	     /* ... and allowances, */
#define GUARD_INTERVAL 1000000000ULL /* in this many nanoseconds */
#define GUARD_NAME 62
#define GUARD_LEVELS \
	6 /* from an object up to the guarded directory: pins/INSTANCE/GENERATION/maps/NAME, and one more */
#define GUARD_DEPTH 32 /* of a guarded directory in its file system */

#define GUARD_INSIDE 1 /* the directory and what is in it */
#define GUARD_ABOVE 2  /* it leads to one: it may not be renamed, removed or mounted on */

enum guarded {
	GUARDED_NONE,
	GUARDED_MAP,
	GUARDED_PROGRAM,
	GUARDED_LINK,
	GUARDED_PROCESS,
	GUARDED_FILE,
	GUARDED_MOUNT,
	GUARDED_SOCKET,
};

/* Why a task that is not the agent may. */
enum guard_why {
	WHY_NONE, /* it may not */
	WHY_HOST,
	WHY_TAKEOVER,
};

struct guarded_id {
	u32 object; /* enum guarded */
	u32 id;
};

struct guarded_dir {
	u64 ino;
	u32 dev;
	u32 generation;
};

struct guard_rate {
	u64 since;
	u64 refused;
	u64 allowed;
	u64 held;
};
