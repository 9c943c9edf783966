/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program's arguments: what bprm_check_security keeps of an exec for
 * bprm_committed_creds, and what is read there from the new program's memory.
 */
#pragma once
#include "command.h"
#include "file.h"

/* Keeps what is executed, and how many arguments it is given; 0 if it is not kept. */
static __noinline int save_command(struct act *x, struct linux_binprm *bprm)
{
	struct command *c = own_command(bpf_get_current_task_btf());
	int argc = bprm->argc;

	if (!c)
		return 0;
	c->pos = x->d->pos;
	c->class = x->d->class;
	c->arguments = argc > 0 ? argc - 1 : 0;
	return !bpf_probe_read_kernel(c->path, PATH_END, x->s->buf);
}

static __always_inline void subject_saved(struct act *x, struct command *c)
{
	bpf_probe_read_kernel(x->s->buf, PATH_END, c->path);
	x->d->pos = c->pos;
	x->d->class = c->class;
}

/* What the loop carries is in the map: the verifier takes it as unknown, so that the loop converges. */
struct counting {
	struct words *w;
};

static long count_string(u32 i, struct counting *m)
{
	struct words *w = m->w;

	if (w->buf[i & (PATH_END - 1)])
		return 0;
	w->seen += 1;
	if (w->seen == 1)
		w->name = i;
	if (w->seen == w->before)
		w->from = i;
	if (w->seen < w->all)
		return 0;
	w->to = i;
	return 1;
}

/* Reads the strings and finds the arguments, which are not known where they are unreadable or too long. May sleep. */
static __noinline int read_strings(struct words *w, struct command *c, struct linux_binprm *bprm)
{
	u64 start = bprm->p, end = bprm->exec, len = end - start;
	u32 argc = bprm->argc, arguments = c->arguments;
	struct counting m = {.w = w};

	w->to = PATH_END;
	if (end <= start || argc <= arguments)
		return 0;
	if (len > PATH_END)
		len = PATH_END;
	if (bpf_copy_from_user(w->buf, len, start))
		return 0;
	w->seen = 0;
	w->before = argc - arguments;
	w->all = argc;
	bpf_loop(len, count_string, &m, 0);
	return 0;
}

/* The class of a program, by its subject in path, with the strings behind the NUL at from. */
static __noinline u32 command_of(struct tables *t, const u8 *path, u32 pos, struct words *w, u32 from)
{
	u32 to = w->to, state;

	if (pos >= PATH_END || from > to || to >= PATH_END)
		return 0;
	state = command_feed(t, path, pos, PATH_END - pos, STATE_START);
	return command_class(t, command_feed(t, w->buf, from, to - from, state));
}
