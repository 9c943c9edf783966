/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files: one verdict function for everything that names an object by a path.
 * No scratch slot, no tables or no trustworthy path: deny.
 */
#pragma once
#include "outside.h"
#include "path.h"
#include "record.h"
#include "stacked.h"

/* What the caller asks of the object. */
struct request {
	struct dentry *dentry;
	struct vfsmount *mnt;
	struct path *user_path; /* if set: where a kernel-internal object came from, else it is allowed */
	u32 requested;		/* for the record */
	u8 kind;		/* enum kind that decides */
	u8 hook;
	u8 also_read;  /* a file.read rule with a path may deny it too */
	u8 also_write; /* it needs file.write as well */
	u8 no_deleted; /* a deleted file has no path (exec, executable mappings) */
	u8 repeat;     /* an earlier hook of the call judged and recorded it: record a denial only */
	u8 opens;      /* it gives a descriptor */
	u8 ordinary;   /* a file that reaches nothing outside */
	u8 outside;    /* enum rule: what the hook knows to be built in against it */
};

/* Puts the subject without a path into the slot: a lone class byte. */
static __always_inline void subject_none(struct act *x)
{
	x->d->pos = PATH_END - 1;
	x->s->buf[PATH_END - 1] = CLASS_NO_PATH;
	x->d->class = CLASS_NO_PATH;
}

/*
 * The verdict on the subject in the slot, and on the second kind of action where
 * there is one. One call of match() for both, into an element of an array: the
 * verifier goes through the same instructions for either.
 */
static __noinline int match_kinds(struct act *x)
{
	struct deed *d = x->d;

#pragma clang loop unroll(disable)
	for (u32 second = 0; second < 2; second++) {
		struct outcome *o = &d->outcomes[second & 1];
		u32 kind = d->action;

		if (second)
			kind = d->also_read ? KIND_READ : KIND_WRITE;
		if (!match(x->t, x->s, d->pos, kind, o)) {
			if (!second)
				builtin(x, RULE_NO_POLICY, 0);
			break;
		}
		if (second) {
			if (!o->allow && (d->also_write || (o->flags & ROW_MATCHED))) {
				d->o = *o;
				d->action = kind;
			}
		} else if (!(d->also_read || d->also_write) || !o->allow) {
			break;
		}
	}
	return 0;
}

static __always_inline u32 relaxed_by(u32 rule)
{
	switch (rule) {
	case RULE_KERNEL_FILES:
		return RELAX_KERNEL_FILES;
	case RULE_KERNEL_LOG:
		return RELAX_KERNEL_LOG;
	case RULE_BLOCK_DEVICES:
		return RELAX_BLOCK_DEVICES;
	case RULE_DEVICES:
		return RELAX_DEVICES;
	case RULE_MKNOD:
		return RELAX_MKNOD;
	}
	return RELAX_NEVER;
}

/* A built-in rule against the object decides before its path does. Where it is relaxed, both must allow; that is
 * counted. */
static __noinline int settle_outside(struct act *x, u32 rule)
{
	if (!relaxes(x, relaxed_by(rule))) {
		builtin(x, rule, 0);
	} else if (x->d->o.allow) {
		builtin(x, rule, 1);
		x->d->o.flags = ROW_COUNT;
	}
	return 0;
}

/* The path's verdict in x->d->o; 0 when the object is the kernel's own business. */
static __always_inline int judge_path(struct act *x, struct request *r)
{
	struct dentry *dentry = r->dentry;
	u32 class;

	walk_path(x->s, dentry, r->mnt);
	class = x->s->walk.class;
	if (class == CLASS_INTERNAL) {
		/*
		 * An open below an overlay's own, judged there. A vma of an
		 * overlay file holds the file below: it names the one above.
		 */
		if (!r->user_path)
			return 0;
		dentry = kernel_read(r->user_path, dentry);
		walk_path(x->s, dentry, kernel_read(r->user_path, mnt));
		class = x->s->walk.class;
	}
	x->d->pos = x->s->walk.pos;
	x->d->class = class;
	if (class == CLASS_ANONYMOUS && x->d->action != KIND_EXEC) {
		builtin(x, RULE_ANONYMOUS, 1);
		x->d->o.flags = ROW_COUNT;
	} else if (class != CLASS_ANONYMOUS && class != CLASS_ROOT && class != CLASS_MOUNT) {
		/* A queue of mq_open lies on a mount that is in no namespace. */
		builtin(x,
			kernel_read(kernel_read(dentry, d_sb), s_magic) == MQUEUE_MAGIC ? RULE_MESSAGE_QUEUE
											: RULE_UNRESOLVABLE,
			0);
		return 1;
	} else {
		if (class == CLASS_ANONYMOUS || (x->d->no_deleted && !kernel_read(dentry, d_hash.pprev)))
			subject_none(x);
		match_kinds(x);
	}
	if (!x->d->ordinary) {
		/* By way of the slot: see settle_verdict. */
		if (!x->d->outside)
			x->d->outside = reaches_outside(dentry, x->d->change, x->d->opens);
		if (x->d->outside)
			settle_outside(x, x->d->outside);
	}
	return 1;
}

static __noinline int gate_path(struct armed_task *a, struct request *r)
{
	struct act x;
	int ret = 0;

	if (!act_begin(&x, a, r->kind, r->hook))
		return -EACCES;
	x.d->requested = r->requested;
	x.d->repeat = r->repeat;
	x.d->no_deleted = r->no_deleted;
	x.d->also_read = r->also_read;
	x.d->also_write = r->also_write;
	x.d->change = r->also_write || r->kind == KIND_WRITE || r->kind == KIND_DELETE;
	x.d->opens = r->opens;
	x.d->ordinary = r->ordinary;
	x.d->outside = r->outside;
	if (judge_path(&x, r)) {
		a->mount = 0; /* see notes.h */
		ret = finish(&x);
	}
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}
