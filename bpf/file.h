/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files: one verdict function for everything that names an object by a path.
 * No scratch slot, no tables or no trustworthy path: deny.
 */
#pragma once
#include "path.h"
#include "record.h"

/* What the caller asks of the object. */
struct request {
	struct path *path;
	struct path *user_path; /* if set: where a kernel-internal object came from, else it is allowed */
	u32 requested;		/* for the record */
	u8 kind;		/* enum kind that decides */
	u8 hook;
	u8 also_read;  /* a file.read rule with a path may deny it too */
	u8 no_deleted; /* a deleted file has no path (exec, executable mappings) */
};

/* Puts the subject without a path into the slot: a lone class byte. */
static __always_inline void subject_none(struct act *x)
{
	x->pos = PATH_END - 1;
	x->s->buf[PATH_END - 1] = CLASS_NO_PATH;
	x->class = CLASS_NO_PATH;
}

/* The path's verdict in x->o; 0 when the object is the kernel's own business. */
static __always_inline int judge_path(struct act *x, struct request *r)
{
	struct path *path = r->path;
	u32 class;

	walk_path(x->s, path);
	class = x->s->walk.class;
	if (class == CLASS_INTERNAL) {
		/*
		 * An open below an overlay's own, judged there. A vma of an
		 * overlay file holds the file below: it names the one above.
		 */
		if (!r->user_path)
			return 0;
		path = r->user_path;
		walk_path(x->s, path);
		class = x->s->walk.class;
	}
	x->pos = x->s->walk.pos;
	x->class = class;
	if (class == CLASS_ANONYMOUS) {
		if (r->kind != KIND_EXEC) {
			builtin(x, RULE_ANONYMOUS, 1);
			x->o.flags = ROW_COUNT;
			return 1;
		}
		subject_none(x);
	} else if (class != CLASS_ROOT && class != CLASS_MOUNT) {
		builtin(x, RULE_UNRESOLVABLE, 0);
		return 1;
	} else if (r->no_deleted && !path->dentry->d_hash.pprev) {
		subject_none(x);
	}
	if (!match(&x->t, x->s, x->pos, r->kind, &x->o)) {
		builtin(x, RULE_NO_POLICY, 0);
		return 1;
	}
	/* Nobody reads arguments yet: pkg/loader refuses policies that need them. */
	if (x->o.cond)
		command_settle(&x->t, 0, &x->o);
	if (r->also_read && x->o.allow) {
		struct outcome read = {};

		if (match(&x->t, x->s, x->pos, KIND_READ, &read) && !read.allow && (read.flags & ROW_MATCHED)) {
			x->o = read;
			x->action = KIND_READ;
		}
	}
	return 1;
}

static __noinline int gate_path(struct armed_task *a, struct request *r)
{
	struct act x = {
		.task = a,
		.pos = PATH_END,
		.requested = r->requested,
		.action = r->kind,
		.hook = r->hook,
	};
	int ret = 0;

	x.s = scratch_claim();
	if (!x.s)
		return -EACCES;
	if (!tables_of(a->slot, &x.t)) {
		builtin(&x, RULE_NO_POLICY, 0);
		ret = finish(&x);
	} else if (judge_path(&x, r)) {
		ret = finish(&x);
	}
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}
