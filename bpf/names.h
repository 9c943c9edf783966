/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Acts on two names: rename and hard link. Neither may give a file a name under
 * which the policy allows what it did not allow under the old one; a directory
 * moves only where nothing below it changes its verdicts. Both names are
 * decisions of their own.
 */
#pragma once
#include "file.h"
#include "subtree.h"

/* Rights that a new name must not add. */
#define RIGHTS ((1 << KIND_READ) | (1 << KIND_WRITE) | (1 << KIND_EXEC) | (1 << KIND_MAP))

struct move {
	struct dentry *from, *to;
	struct vfsmount *mnt; /* of both: the kernel refuses other moves before */
	u8 hook;
	u8 link;
	u8 exchange;
};

/* Puts a name into the slot; 0 and the verdict in x->d->o when it has no path. */
static __noinline int place(struct act *x, struct dentry *d, struct vfsmount *mnt)
{
	walk_path(x->s, d, mnt);
	x->d->pos = x->s->walk.pos;
	x->d->class = x->s->walk.class;
	x->d->o.hash = 0;
	if (x->d->class == CLASS_ROOT || x->d->class == CLASS_MOUNT)
		return 1;
	builtin(x, RULE_UNRESOLVABLE, 0);
	return 0;
}

static __noinline int judge(struct act *x, u32 kind)
{
	x->d->action = kind;
	if (!match(x->t, x->s, x->d->pos, kind, &x->d->o))
		builtin(x, RULE_NO_POLICY, 0);
	else if (x->d->o.cond)
		command_settle(x->t, 0, &x->d->o);
	return x->d->o.allow;
}

struct survey {
	struct act *x;
	u32 which;
};

static long survey_kind(u32 i, struct survey *v)
{
	struct act *x = v->x;
	struct scratch *s = x->s;
	struct outcome *o = &x->d->found;
	u32 kind = i & 7, which = v->which & 1;

	if (!match(x->t, s, x->d->pos, kind, o) || !o->allow)
		return 0;
	s->rights[which] |= 1 << kind;
	if (o->cond)
		s->commands[which] = o->vector;
	return 0;
}

/*
 * Keeps in the slot which kinds of action, a bit each, the policy allows on the
 * name there, and on what commands an exec depends (0: on none).
 */
static __always_inline void survey(struct act *x, u32 which)
{
	struct survey v = {
		.x = x,
		.which = which & 1,
	};

	x->s->rights[which & 1] = 0;
	x->s->commands[which & 1] = 0;
	bpf_loop(KIND_MAP + 1, survey_kind, &v, 0);
}

static __always_inline int is_directory(struct dentry *d)
{
	struct inode *inode = d->d_inode;

	return inode && (inode->i_mode & S_IFMT) == S_IFDIR;
}

static __always_inline u32 lowest(u32 rights)
{
	if (rights & (1 << KIND_READ))
		return KIND_READ;
	if (rights & (1 << KIND_WRITE))
		return KIND_WRITE;
	if (rights & (1 << KIND_EXEC))
		return KIND_EXEC;
	return KIND_MAP;
}

/*
 * The steps of a move; even ones look at the old name, odd ones at the new one.
 * One body for all of them, with what they share in the slot: the verifier goes
 * through it once.
 */
enum step {
	OLD_NAME, /* may it go away (a link: be read)? */
	NEW_NAME, /* may it be written? */
	GAINED,	  /* does the file gain a right? Judged as that act on the old name */
	GAINED_BACK,
	RECORD_OLD, /* it will happen: what was found above and allowed */
	RECORD_NEW,
	STEPS,
};

#define NO_KIND KINDS

/* The rights of name b that name a lacks, among them an exec of other commands or of any. */
static __always_inline u32 gained_from(struct scratch *s, u32 a, u32 b)
{
	u32 had = s->rights[a];

	if (s->commands[a] && s->commands[a] != s->commands[b])
		had &= ~(1 << KIND_EXEC);
	return s->rights[b] & ~had & (u32)(RIGHTS);
}

/* Keeps in the slot which kind of action decides in the step under way. */
static __noinline int choose_kind(struct move *v, struct scratch *s)
{
	u32 old = s->rights[0], gained = 0;

	switch (FRESH(s->step)) {
	case OLD_NAME:
	case RECORD_OLD:
		/* Away from where the process may not write: a deletion. */
		s->kind = v->link ? KIND_READ : v->exchange || (old & (1 << KIND_WRITE)) ? KIND_WRITE : KIND_DELETE;
		return 0;
	case NEW_NAME:
	case RECORD_NEW:
		s->kind = KIND_WRITE;
		return 0;
	case GAINED:
		gained = gained_from(s, 0, 1);
		break;
	case GAINED_BACK:
		if (v->exchange)
			gained = gained_from(s, 1, 0);
		break;
	}
	s->kind = gained ? lowest(gained) : NO_KIND;
	return 0;
}

/* Not 0 when the step refuses the move. */
static __always_inline int step(struct act *x, struct move *v)
{
	struct scratch *s = x->s;
	struct dentry *d = v->from;
	u32 rule;

	if (FRESH(s->step) > NEW_NAME) {
		choose_kind(v, s);
		if (FRESH(s->kind) == NO_KIND)
			return 0;
	}
	if (FRESH(s->step) & 1)
		d = v->to;
	if (!place(x, d, v->mnt))
		return finish(x);
	if (FRESH(s->step) <= NEW_NAME) {
		survey(x, FRESH(s->step));
		if (FRESH(s->directory) && !subtree(x, FRESH(s->step))) {
			builtin(x, RULE_SUBTREE, 0);
			return finish(x);
		}
		choose_kind(v, s);
	}
	judge(x, FRESH(s->kind) & (KINDS - 1));
	rule = reaches_outside(d, 1, 0);
	if (rule)
		settle_outside(x, rule);
	/* The right itself may be there, but not without its conditions. */
	if (x->d->o.allow && (FRESH(s->step) & ~1) == GAINED)
		builtin(x, RULE_SUBTREE, 0);
	if (x->d->o.allow ? FRESH(s->step) >= RECORD_OLD : FRESH(s->step) < RECORD_OLD)
		return finish(x);
	return 0;
}

struct steps {
	struct act *x;
	struct move *v;
};

static long one_step(u32 i, struct steps *c)
{
	struct scratch *s = c->x->s;

	s->step = i;
	if (!step(c->x, c->v))
		return 0;
	s->refused = 1;
	return 1;
}

static __always_inline int move(struct act *x, struct move *v)
{
	struct scratch *s = x->s;
	struct steps c = {
		.x = x,
		.v = v,
	};

	s->directory = !v->link && (is_directory(v->from) || (v->exchange && is_directory(v->to)));
	s->refused = 0;
	bpf_loop(STEPS, one_step, &c, 0);
	return FRESH(s->refused) ? -EACCES : 0;
}

static __noinline int gate_move(struct armed_task *a, struct move *v)
{
	struct act x;
	int ret;

	if (!act_begin(&x, a, KIND_WRITE, v->hook))
		return -EACCES;
	ret = move(&x, v);
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}
