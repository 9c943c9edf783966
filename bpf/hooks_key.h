/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Key rings. An armed task may use keys that it possesses: those in its thread's,
 * process's or session's key ring, which the runtime made for the container or it
 * made itself. Denied are keys that it knows by number only, or found by a session's
 * name, and the key rings of a user in the initial user namespace (_uid, _uid_ses,
 * _persistent): root's are the same ones for the host and every pod. In a user
 * namespace of its own they are the pod's. The kernel's own look-ups possess what
 * they look in.
 *
 * /proc/keys asks for every key of the node whether it may be seen: refused where
 * it is not possessed, and counted (outward), no record each.
 */
#pragma once
#include "hooks_builtin.h"

#define KEY_POSSESSED 1 /* low bit of a key_ref_t, include/linux/key.h */

/* Whether the name begins as those that the kernel gives to a user's key rings. */
static __always_inline int of_a_user(struct key *key)
{
	char name[12] = {};

	/* Name that cannot be read: nobody's. */
	if (bpf_probe_read_kernel(name, sizeof(name), kernel_read(key, index_key.description)))
		return 1;
	if (name[0] != '_')
		return 0;
	if (name[1] == 'u' && name[2] == 'i' && name[3] == 'd' && (name[4] == '.' || name[4] == '_'))
		return 1;
	return name[1] == 'p' && name[2] == 'e' && name[3] == 'r' && name[4] == 's' && name[5] == 'i' && name[6] == 's';
}

/* Whether the policy relaxes the denial, without a record. */
static __noinline int keys_lent(struct armed_task *a)
{
	struct act x;
	int ret;

	if (!act_begin(&x, a, KIND_SYSTEM, HOOK_KEY_PERMISSION))
		return 0;
	ret = tables_known(x.t) && relaxes(&x, RELAX_KEYRINGS);
	scratch_release(x.s);
	return ret;
}

SEC("lsm/key_permission")
int gate_key_permission(u64 *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct armed_task *a = armed_self();
	struct key *key;
	u64 ref = 0;

	if (likely(!a))
		return 0;
	/* The verifier knows no type for a key_ref_t, so it is no plain argument. */
	if (bpf_get_func_arg(ctx, 0, &ref))
		return -EACCES;
	key = kernel_cast(struct key, ref & ~(u64)KEY_POSSESSED);
	if (ref & KEY_POSSESSED) {
		if (t->cred->user_ns->level || !of_a_user(key))
			return 0;
	} else if ((u32)ctx[2] == KEY_NEED_VIEW) {
		if (keys_lent(a))
			return 0;
		count_stat(outward);
		return -EACCES;
	}
	if (gate_requested(a, HOOK_KEY_PERMISSION, RULE_KEYRINGS, RELAX_KEYRINGS, kernel_read(key, serial)))
		return -EACCES;
	return 0;
}
