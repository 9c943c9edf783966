/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is in control: whether the agent is alive, and the off switch.
 *
 * `onAgentLoss: deny` denies every judged act once the agent's last sign of life
 * is too old. A missing element of the map counts as too old.
 *
 * The off switch, for one binding or for the node, ends by itself: whoever set it
 * may be gone. While it is on, what would be denied is allowed and recorded one by
 * one. It spares no rule unless it is listed here: afterwards the policy must hold
 * again, so an act that would undo the gate for good stays denied. An entry that
 * is missing, over, not begun or longer than it may be switches nothing off.
 */
#pragma once
#include "maps.h"

static __noinline int agent_lost(void)
{
	u32 zero = 0;
	struct control *c = bpf_map_lookup_elem(&control, &zero);

	/* Another CPU's beat may be newer than what this one calls now. */
	return !c || (s64)(bpf_ktime_get_boot_ns() - c->beat) > (s64)c->limit;
}

static __always_inline int in_force(u64 cgroup)
{
	struct disabled *d = bpf_map_lookup_elem(&disabled, &cgroup);
	u64 now;

	if (!d)
		return 0;
	now = bpf_ktime_get_boot_ns();
	return d->since <= now && now < d->until && d->until - d->since <= DISABLE_MOST;
}

static __noinline int switched_off(u64 cgroup)
{
	return in_force(cgroup) || in_force(0);
}

#define OFF(rule) (1ULL << (rule))

/*
 * Built-in rules that the off switch silences. Not among them: what reaches files
 * outside of the container, the kernel, the gate itself or tasks that it does not
 * gate, which could free the pod for good; mounts and roots, by which names would
 * go on meaning other files; raw sockets, which a task keeps.
 */
#define OFF_RULES                                                                                                   \
	(OFF(RULE_DEFAULT) | OFF(RULE_NO_POLICY) | OFF(RULE_METADATA) | OFF(RULE_AUDIT_LOSS) | OFF(RULE_INTERNAL) | \
	 OFF(RULE_SUBTREE) | OFF(RULE_ENVIRONMENT) | OFF(RULE_CHROOT) | OFF(RULE_USERNS) | OFF(RULE_PTRACE) |       \
	 OFF(RULE_MESSAGE_QUEUE) | OFF(RULE_FS_IOCTL) | OFF(RULE_AGENT_LOSS) | OFF(RULE_RESOLVER) | OFF(RULE_DNS))

static __always_inline int silenced(u32 rule)
{
	return rule >= RULE_FIRST || (OFF_RULES >> (rule & 63) & 1);
}
