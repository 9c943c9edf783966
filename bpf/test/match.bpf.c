// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The matcher, exposed to BPF_PROG_TEST_RUN: no hook and no task, so that it can
 * be compared with policy.Tables.Match on any machine. The test writes the
 * subject into scratch slot 0 as the path walk would.
 */
#include "../command.h"

struct match_run {
	u32 place;
	u32 pos; /* of the subject in the slot */
	u32 kind;
	u32 exe; /* classes that are known, see docs/format/policy.md */
	u32 name;
	u32 command;
	u32 found; /* from here on: results */
	u32 rule;
	u32 allow;
	u32 flags;
	u32 open;  /* the verdict depended on the command */
	u32 class; /* of a classifier */
	u32 reserved;
	u64 hash;
};

SEC("syscall")
int run_match(struct match_run *r)
{
	struct scratch *s;
	struct outcome o = {};
	struct tables *t;
	u32 zero = 0, pos = r->pos;

	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s || pos >= PATH_END)
		return -1;
	t = (struct tables *)s->tables;
	__builtin_memset(t, 0, sizeof(*t));
	t->place = r->place;
	if (!tables_known(t))
		return -2;
	if (r->kind == KIND_COMMAND) {
		r->class = command_class(t, command_feed(t, s->buf, pos, PATH_END - pos, STATE_START));
		return 0;
	}
	t->exe_table = t->id;
	t->exe_class = r->exe;
	t->name = r->name;
	r->found = match(t, s, pos, r->kind, &o);
	r->open = o.cond == COND_COMMAND;
	command_settle(t, r->command, &o);
	r->class = o.class;
	r->rule = o.rule;
	r->allow = o.allow;
	r->flags = o.flags;
	r->hash = o.hash;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
