/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exec: arming and the verdict on every program that starts. bprm_check_security
 * runs once for a script and again for its interpreter; the last one before
 * bprm_committed_creds is the program that will run.
 *
 * A task that execs in a bound cgroup gets its record here, still pending: the
 * file hooks do not see it until the exec commits, so that a container runtime
 * whose exec fails can still say so. If no record can be made the exec fails.
 *
 * A verdict that depends on the arguments is left open there, unless no arguments
 * could make it an allow; bprm_committed_creds reads them from the new program's
 * own memory, which no thread of the old one has, and decides.
 */
#pragma once
#include "environment.h"

static __always_inline int running_launcher(struct armed_task *a)
{
	return (a->flags & (ARMED | ARM_CHAIN)) == (ARMED | ARM_CHAIN);
}

/* The record for an exec by a task that is not armed: 0 none needed, < 0 refuse. */
static __always_inline int arm_pending(struct task_struct *t, struct armed_task **out)
{
	struct binding *b = binding_of(t);
	struct armed_task *a;
	u64 self = t->start_boottime;
	u32 flags = ARM_PENDING | ARM_ENTRY;

	*out = NULL;
	if (!b || (b->flags & BIND_EXEMPT))
		return 0;
	if ((b->flags & BIND_CONTAINER) && on_host_root(t))
		return 0;
	a = task_record(t, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!a) {
		count_stat(no_storage);
		return -ENOMEM;
	}
	if (!self)
		self = 1;
	*out = a;
	/* The first task to come begins the container; a failed exec of it may try again. */
	if (b->entry_owner == self || __sync_val_compare_and_swap(&b->entry_owner, 0, self) == 0)
		flags |= ARM_FIRST;
	/* The task iterator may have armed it meanwhile: then that record stands. */
	if (__sync_val_compare_and_swap(&a->flags, 0, flags) != 0)
		return 0;
	a->slot = b->slot;
	a->cgroup = b->cgroup;
	return 0;
}

/* May the running launcher or the runtime start this without asking the rules? */
static __always_inline int entry_free(struct armed_task *a, u32 entrypoint)
{
	if (entrypoint == ENTRYPOINT_DENY)
		return 0;
	if (a->flags & ARM_ENTRY)
		return 1;
	return entrypoint == ENTRYPOINT_CHAIN && running_launcher(a);
}

/* The rules do not matter to an entry point; paths that cannot be trusted, missing tables and the floor's denials do.
 */
static __always_inline void decide_entry(struct act *x, struct armed_task *a)
{
	if (x->d->o.rule == RULE_UNRESOLVABLE || x->d->o.rule == RULE_NO_POLICY || x->d->o.rule == RULE_INTERNAL ||
	    (x->d->o.flags & ROW_FLOOR && !x->d->o.allow))
		return;
	if (entry_free(a, x->t->entrypoint))
		builtin(x, RULE_ENTRYPOINT, 1);
}

/* What the tables call the program in the slot. A class under other tables says nothing any more. */
static __always_inline void classify_executable(struct act *x, struct armed_task *a)
{
	x->d->found.class = 0;
	match(x->t, x->s, x->d->pos, KIND_EXE, &x->d->found);
	if (a->exe_table != x->t->id) {
		a->exe_class = 0;
		a->exe_table = x->t->id;
	}
	a->pend_class = x->d->found.class;
}

/*
 * What waits in the exec under way once the program in the slot is judged: its
 * verdict is open, or settled here. Only where no arguments could make it an
 * allow, or nobody will be able to tell, are the arguments not waited for.
 */
static __always_inline u32 pending_command(struct act *x, struct armed_task *a, struct linux_binprm *bprm)
{
	u32 first = bprm->interp == bprm->filename;
	u32 pend = first ? 0 : a->pend_flags & (PEND_COMMAND | PEND_INTERPRETER);

	/* The interpreter of an interpreter: at the end only the last one is known. */
	if (pend & PEND_INTERPRETER)
		builtin(x, RULE_INTERNAL, 0);
	if (x->d->o.cond != COND_COMMAND)
		return pend;
	if (x->d->o.allow || (x->t->flags & TABLE_OBSERVE) || entry_free(a, x->t->entrypoint)) {
		if (!first)
			return pend | PEND_INTERPRETER;
		if (save_command(x, bprm))
			return PEND_COMMAND;
	}
	command_settle(x->t, 0, &x->d->o);
	return pend;
}

/*
 * One act, one record: the script's, which was judged before. But it is the
 * interpreter that runs, so its name must have been told once: it is counted.
 */
static __always_inline void interpreter_allowed(struct act *x)
{
	x->d->o.flags |= ROW_COUNT;
}

static __noinline int gate_exec(struct armed_task *a, struct linux_binprm *bprm)
{
	struct file *file = bprm->file;
	struct act x;
	struct request r = {
		.dentry = file->f_path.dentry,
		.mnt = file->f_path.mnt,
		.kind = KIND_EXEC,
		.no_deleted = 1,
	};
	int ret = 0;

	if (!act_begin(&x, a, KIND_EXEC, HOOK_BPRM_CHECK))
		return -EACCES;
	x.d->no_deleted = 1;
	if (!judge_path(&x, &r)) {
		builtin(&x, RULE_UNRESOLVABLE, 0);
	} else {
		u32 launcher = x.d->o.flags & ROW_LAUNCHER && x.t->entrypoint == ENTRYPOINT_CHAIN;

		a->pend_exe = x.d->o.hash;
		classify_executable(&x, a);
		a->pend_flags = pending_command(&x, a, bprm);
		if (a->pend_class > EXE_UNNAMED)
			a->pend_flags |= PEND_NAMED;
		if (launcher)
			a->pend_flags |= PEND_LAUNCHER;
		if (!x.d->o.cond)
			decide_entry(&x, a);
		if (x.d->o.allow && bprm->interp != bprm->filename)
			interpreter_allowed(&x);
	}
	if (!x.d->o.cond)
		ret = finish(&x);
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}

static __always_inline void exec_committed(struct armed_task *a)
{
	u32 flags = ARMED | (a->flags & ARM_LATE);

	if ((a->pend_flags & PEND_LAUNCHER) && (running_launcher(a) || (a->flags & ARM_FIRST)))
		flags |= ARM_CHAIN;
	a->exe = a->pend_exe;
	a->exe_class = a->pend_class;
	a->flags = flags;
}

/* The verdict on the program, by the path that was kept; of a script on the script. */
static __noinline int judge_program(struct act *x, struct command *c, struct words *w)
{
	subject_saved(x, c);
	if (!match(x->t, x->s, x->d->pos, KIND_EXEC, &x->d->o))
		builtin(x, RULE_NO_POLICY, 0);
	command_settle(x->t, command_of(x->t, c->path, x->d->pos, w, w->from), &x->d->o);
	decide_entry(x, x->task);
	return 0;
}

/*
 * The verdict on what runs: an interpreter, whose arguments are the script and
 * what came with it, or a program that its environment steers.
 */
static __noinline int judge_running(struct act *x, struct linux_binprm *bprm, struct words *w, u32 steered)
{
	struct file *file = bprm->file;
	struct request r = {
		.dentry = file->f_path.dentry,
		.mnt = file->f_path.mnt,
	};

	if (!judge_path(x, &r)) {
		builtin(x, RULE_UNRESOLVABLE, 0);
	} else if (steered) {
		builtin(x, RULE_ENVIRONMENT, 0);
	} else {
		command_settle(x->t, command_of(x->t, x->s->buf, x->d->pos, w, w->name), &x->d->o);
		decide_entry(x, x->task);
		if (x->d->o.allow)
			interpreter_allowed(x);
	}
	return 0;
}

/*
 * Judges with its arguments what bprm_check_security could not. Not 0: the new program must not run.
 * finish() is called here and not deeper as well: the verifier of 7.3 takes x for
 * unused in a function that meets it at two depths of calls.
 */
static __noinline int gate_command(struct armed_task *a, struct linux_binprm *bprm, u32 pend)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct command *c = own_command(t);
	struct words *w = own_words(t);
	struct act x;
	u32 steered = 0;
	int ret = 0;

	if (c && w) {
		if (pend & PEND_NAMED)
			steered = environment_steers(w, bprm);
		if (!steered && pend == PEND_NAMED)
			return 0;
		/* Left from an exec that failed. */
		if (!(pend & PEND_COMMAND))
			c->arguments = 0;
		read_strings(w, c, bprm);
	}
	/* From here on nothing sleeps. */
	if (!act_begin(&x, a, KIND_EXEC, HOOK_BPRM_COMMITTED))
		return -EACCES;
	x.d->no_deleted = 1;
	if (!c || !w) {
		builtin(&x, RULE_INTERNAL, 0);
		ret = finish(&x);
	} else {
		if (pend & PEND_COMMAND) {
			judge_program(&x, c, w);
			ret = finish(&x);
		}
		if (!ret && (steered || (pend & PEND_INTERPRETER))) {
			judge_running(&x, bprm, w, steered);
			ret = finish(&x);
		}
	}
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}

/*
 * execveat(AT_EXECVE_CHECK): nothing runs, but who asks learns what would. An
 * exec whose verdict depends on the arguments is judged as with unknown ones.
 */
static __noinline int gate_check(struct armed_task *a, struct linux_binprm *bprm)
{
	struct file *file = bprm->file;
	struct act x;
	struct request r = {
		.dentry = file->f_path.dentry,
		.mnt = file->f_path.mnt,
	};
	int ret = 0;

	if (!act_begin(&x, a, KIND_EXEC, HOOK_BPRM_CREDS))
		return -EACCES;
	x.d->no_deleted = 1;
	if (!judge_path(&x, &r))
		builtin(&x, RULE_UNRESOLVABLE, 0);
	else
		command_settle(x.t, 0, &x.d->o);
	ret = finish(&x);
	scratch_release(x.s);
	if (ret)
		return -EACCES;
	return 0;
}

/* Ends the process before its first instruction; if that cannot be, it is denied everything. */
static __always_inline void end_task(struct armed_task *a)
{
	if (bpf_send_signal(SIGKILL))
		a->slot = SLOT_NONE;
}
