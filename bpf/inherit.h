/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a program finds open when it is armed. No hook sees a descriptor that is
 * inherited, and one on a mount outside of its namespace is a way out of the
 * container that nobody meant to leave. 0 to 2 are whatever the starter connected
 * to them, and recorded; pipes, sockets and the like have no path. Any other one
 * must lie in the program's own mount namespace and be none that it could not
 * open (outside.h), or the process is ended before its first instruction. Unreadable, or too many to look at: ended.
 *
 * bprm_committing_creds is called once the descriptors that close at the exec are
 * closed and the table is the new program's own.
 */
#pragma once
#include "exec.h"

#define DESCRIPTORS (1 << 16)
#define STANDARD_STREAMS 3

/* A look through the table: addresses, since the loop's callback has no types. */
struct table {
	struct act *x;
	u64 files;
	u32 size;
	u32 bad;
};

enum {
	FOREIGN = 1, /* recorded already */
	UNKNOWN,
};

/* Not 0: the process must not run. */
static __noinline int judge_inherited(struct act *x, u64 address, u32 fd)
{
	struct file *file = kernel_cast(struct file, address);
	struct dentry *dentry = kernel_read(file, f_path.dentry);
	u32 class, rule, within, mode;

	walk_path(x->s, dentry, kernel_read(file, f_path.mnt));
	class = x->s->walk.class;
	mode = kernel_read(file, f_mode);
	within = class == CLASS_ROOT || class == CLASS_MOUNT;
	rule = reaches_outside(dentry, !!(mode & FMODE_WRITE), !(mode & FMODE_PATH));
	if (!rule && (class == CLASS_ANONYMOUS || (within && fd >= STANDARD_STREAMS)))
		return 0;
	x->d->pos = x->s->walk.pos;
	x->d->class = class;
	x->d->action = mode & FMODE_WRITE ? KIND_WRITE : KIND_READ;
	x->d->requested = kernel_read(file, f_flags);
	builtin(x, RULE_INHERITED, fd < STANDARD_STREAMS || within || class == CLASS_ANONYMOUS);
	if (rule && fd >= STANDARD_STREAMS)
		settle_outside(x, rule);
	return finish(x);
}

static long look_at_descriptor(u32 fd, struct table *c)
{
	u64 file = 0;

	if (fd >= c->size)
		return 1;
	if (bpf_probe_read_kernel(&file, sizeof(file), (void *)(c->files + 8 * (u64)fd))) {
		c->bad = UNKNOWN;
		return 1;
	}
	if (file && judge_inherited(c->x, file, fd)) {
		c->bad = FOREIGN;
		return 1;
	}
	return 0;
}

static __noinline int gate_inherited(struct armed_task *a, struct task_struct *t)
{
	struct fdtable *fdt = t->files->fdt;
	struct act x;
	struct table c = {
		.x = &x,
		.files = (u64)fdt->fd,
		.size = fdt->max_fds,
	};

	if (!act_begin(&x, a, KIND_READ, HOOK_BPRM_COMMITTING))
		return -EACCES;
	tables_known(x.t);
	if (c.size > DESCRIPTORS)
		c.bad = UNKNOWN;
	else
		bpf_loop(DESCRIPTORS, look_at_descriptor, &c, 0);
	if (c.bad == UNKNOWN) {
		x.d->class = CLASS_UNRESOLVABLE;
		builtin(&x, RULE_INHERITED, 0);
		finish(&x);
	}
	scratch_release(x.s);
	return c.bad;
}

SEC("lsm/bprm_committing_creds")
int gate_bprm_committing(u64 *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct armed_task *a;

	if (!has_record(t))
		return 0;
	a = task_record(t, 0);
	if (!a || (a->flags & ARMED) || !(a->flags & ARM_PENDING))
		return 0;
	if (gate_inherited(a, t))
		end_task(a);
	return 0;
}
