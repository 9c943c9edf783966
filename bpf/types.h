/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ABI between the BPF programs and Go, and nothing else. Every type here is
 * a map key, a map value or a ring record, so bpf2go generates its Go twin;
 * pkg/loader's layout test compares both with the object's BTF. Fixed-width
 * fields, explicit padding. Change ABI_VERSION with any change of meaning.
 */
#pragma once
#include "kfuncs.h"
#include "numbers.h"
#include "dns_types.h"

#define ABI_VERSION 1

/* Policy tables: docs/format/policy.md. */
#define TABLE_MAGIC 0x54504353
#define TABLE_VERSION 3
#define TABLE_SMALL (1u << 18)
#define TABLE_LARGE (1u << 22)
#define TABLE_CLASSES 640 /* offset of the byte-class tables */
#define TABLE_BLOCK 32	  /* bytes a step of the kernel's loop reads */
#define RULE_FIRST 64	  /* numbers from here on are the policy's rules, below enum rule */
#define TABLE_OBSERVE 1
#define TABLE_AUDIT_LOSS_DENY 2
#define TABLE_AGENT_LOSS_DENY 4
#define TABLE_CUT 8
#define TABLE_DNS_TCP 16

/*
 * A slot is a policy, whatever its tables are now; a place holds tables, which
 * never change: another version of a policy is written to another place. Places at
 * and above PLACE_LARGE hold large tables.
 */
#define SLOTS 512
#define PLACES_SMALL 576
#define PLACES_LARGE 72
#define PLACE_LARGE PLACES_SMALL
#define PLACE_NONE (~0u)
#define SLOT_NONE (~0u) /* without tables: everything is denied */

#define ENCODING_DENSE 1 /* 0: no automaton of the kind */
#define ENCODING_SPARSE 2

/* The policy blob's first 640 bytes. */
struct automaton {
	u32 off;
	u32 units;
	u32 start;
	u32 absorbing;
	u16 classes;
	u16 encoding;
	u32 outcomes;
	u8 reserved[8];
};

struct table_header {
	u32 magic;
	u16 version;
	u16 flags;
	u32 size;
	u32 rules;
	u64 id;
	u32 rows_off;
	u32 rows;
	u8 entrypoint; /* enum entrypoint */
	u8 dns_max_label;
	u16 dns_types;
	u32 dns_rate;
	u32 builtin;
	u8 reserved0[20];
	u16 dns_type[16];
	u8 reserved1[32];
	struct automaton automata[KINDS];
};

enum entrypoint {
	ENTRYPOINT_CHAIN,
	ENTRYPOINT_SINGLE,
	ENTRYPOINT_DENY,
};

#define ROW_COUNT 1
#define ROW_MATCHED 2
#define ROW_LAUNCHER 4
#define ROW_FLOOR 8  /* a floor rule: enforced under observe too */
#define ROW_NEVER 16 /* in no row: a built-in denial that nothing lifts */

struct verdict_row {
	u16 rule;
	u8 decision;
	u8 flags;
	u8 cond; /* enum condition */
	u8 reserved0;
	u16 class;
	u32 vector;
	u32 reserved1;
};

/* What a verdict may depend on beside its subject. */
enum condition {
	COND_NONE,
	COND_EXE,
	COND_COMMAND,
	COND_NAME,
};

/* bindings: cgroup id -> what gates the tasks that exec in it. */
#define BIND_CONTAINER 1 /* arm at the first exec whose root is not the host's */
#define BIND_ANY 2	 /* arm at the first exec */
#define BIND_NAMES 8	 /* its queries are seen: the programs of hooks_dns.h are attached */
#define BIND_EXEMPT 4	 /* bound so that an ancestor's binding does not reach it */

#define BOUND_BITS 65536 /* elements of the map maybe_bound */

struct binding {
	u32 flags;
	u32 slot;
	u64 cgroup;	 /* the cgroup that was bound, an ancestor or this one itself */
	u64 entry_owner; /* first entry: start time of the task that claimed it, 0 = free */
};

/*
 * The armed-task record, one per gated task in task storage. At most 64 bytes.
 * It is sticky: nothing but the task's end removes it.
 */
#define ARMED 1		   /* enforced at every hook */
#define ARM_PENDING 2	   /* judged at exec only: its arming exec has not committed yet */
#define ARM_ENTRY 4	   /* the pending exec is an entry point */
#define ARM_FIRST 8	   /* ... the container's first one, so it may begin a chain */
#define ARM_CHAIN 16	   /* the running executable is a launcher of the entry chain */
#define ARM_LATE 32	   /* armed while running: what it had open before stays usable */
#define ARM_ELSEWHERE 64   /* the exec under way is judged by another set of programs: see handover.h */
#define PEND_LAUNCHER 1	   /* in pend_flags: the program of the exec under way is a launcher */
#define PEND_COMMAND 2	   /* ... what was executed is judged when its arguments are known: see the map commands */
#define PEND_INTERPRETER 4 /* ... its interpreter is */
#define PEND_NAMED 8	   /* ... the policy has rules for it by name: see environment.h */
#define EXE_UNNAMED 1	   /* exe_class: the policy names other executables */

struct armed_task {
	u32 flags;
	u32 slot;
	u64 cgroup;
	u64 exe;      /* keyed hash of the executable's path, taken at exec */
	u64 pend_exe; /* the same for the exec under way */
	u16 pend_flags;
	u16 judged_by;	/* enum hook */
	u16 exe_class;	/* of the executable by the tables exe_table, 0: not known */
	u16 pend_class; /* the same for the exec under way */
	u64 exe_table;
	u64 judged; /* what the next hook of the same call need not judge again: see notes.h */
	u64 mount;  /* the mount that the call asked for write access to: see notes.h */
};

/*
 * An armed record on its way to another build of the programs: docs/format/pins.md.
 * The bits of flags are those above, as they are.
 */
#define HANDOVER_MAGIC 0x4f484353
#define HANDOVER_VERSION 1

struct handover_head {
	u32 magic;
	u16 version;
	u16 record_size;
	u64 hash_key[3]; /* of the subject hash: settings.hash_key */
};

struct handover {
	u32 tid;
	u32 flags;
	u64 start_time; /* of the thread, boot time ns */
	u64 cgroup;
	u64 exe;
	u64 pend_exe;
	u64 exe_table;
	u32 slot;
	u16 exe_class;
	u16 pend_class;
	u32 in_exec;
	u32 pend_launcher;
};

/* Elements of the map maybe_armed: 1 << ARMED_BITS. */
#define ARMED_BITS 16

/* Constants of one load, in .rodata. */
struct settings {
	u32 host_netns; /* inode number of the host's network namespace */
	u32 reserved;
	u32 scratch_slots; /* elements of the map scratch */
	u32 ring_bytes;	   /* size of the map events */
	u64 hash_key[3];   /* of the subject hash, random */
	u64 rename_lock;   /* addresses of the kernel's symbols; 0 where they are hidden */
	u64 mount_lock;
};

/* control: one element. All times are CLOCK_BOOTTIME in nanoseconds. */
struct control {
	u64 beat;  /* the agent's last sign of life; until the first one, the load */
	u64 limit; /* how old it may be under onAgentLoss: deny */
};

#define DISABLE_MOST (24ULL * 3600 * 1000000000) /* longest time for which enforcement is switched off */

/* disabled: binding's cgroup id, 0 for the node -> when it is off. */
struct disabled {
	u64 since;
	u64 until;
};

/* switches: when -> what somebody did to the off switch, until the agent has recorded it. */
struct off_switch {
	u64 cgroup;
	u64 until; /* 0: switched on again */
	u32 uid;
	u32 pid;
	u8 comm[16];
	u8 reason[256]; /* ended by a NUL where shorter */
};

/* stats: per CPU. Every decision is in exactly one of counted, emitted and lost. */
struct cpu_stats {
	u64 seq;	   /* last kernel sequence number taken */
	u64 decisions;	   /* decisions taken */
	u64 counted;	   /* ... counted in the map counted */
	u64 emitted;	   /* sequence numbers that reached the ring */
	u64 lost;	   /* sequence numbers that the ring refused */
	u64 lost_share;	   /* ... of these, allows refused because allows had their share */
	u64 denied;	   /* decisions that denied */
	u64 no_scratch;	   /* denials because no scratch slot was free */
	u64 no_storage;	   /* execs or forks refused because no armed record could be made */
	u64 no_rule_count; /* decisions without a counter for their rule */
	u64 bind_lost;	   /* child cgroups whose inherited binding did not fit the map */
	u64 outward;	   /* signals, limits and schedulings of outside tasks that were refused */
	u64 guard_held;	   /* touches of what is ours that were not recorded one by one */
	u64 dns_evicted;   /* addresses and names that gave way to newer ones before their time */
	u64 dns_unlearned; /* ... that there was no room for */
	u64 reserved[1];
};

struct counted_key {
	u64 cgroup;
	u64 exe;
	u64 subject;
	u16 rule;
	u16 slot;
	u8 action;
	u8 hook;
	u8 class;
	u8 reserved;
};

struct counted_value {
	u64 count;
	u64 first; /* boot time, ns */
	u64 last;
	u64 table_id;
};

/* Ring record: this header, then subject_len bytes of subject. */
struct event {
	u16 version;
	u8 kind;
	u8 action; /* enum kind */
	u8 verdict;
	u8 hook;
	u16 rule;
	u32 cpu;
	s32 ret; /* what the hook returned */
	u64 seq; /* per CPU, from 1 */
	u64 time;
	u64 cgroup; /* bound cgroup */
	u64 table_id;
	u32 slot;
	u32 tid;
	u32 tgid;
	u32 uid;
	u64 start_time; /* of the thread group leader, boot time ns */
	u64 parent_start_time;
	u32 parent_tgid;
	u32 gid;
	u64 exe;
	u64 subject; /* keyed hash of the subject */
	u8 comm[16];
	u8 parent_comm[16];
	u16 subject_len;
	u8 class;
	u8 flags;      /* ARMED... of the task, low bits */
	u32 requested; /* open: f_flags; mmap: prot; else what the hook says of the act, or 0 */
};

/* A scratch slot: claimed by compare-and-swap on busy, released on every way out. */
#define PATH_END 4096	 /* paths end here, right-justified; behind it zeros */
#define SCRATCH_PAD 4128 /* block padding, and room so that the verifier accepts any position with any length */
#define SUBJECT_MASK \
	0x1fff /* of a position in the subject or in the zeros behind it, where blocks of a pass may begin too */
#ifndef NO_KFUNCS
#define SCRATCH_PER_CPU 8
#else
#define SCRATCH_PER_CPU 32 /* a task can be preempted while it holds one */
#endif

struct walk {
	u32 pos;     /* start of the subject (its class byte) in buf */
	u32 class;   /* enum class */
	u32 crossed; /* the walk has left the object's own mount */
	u32 mounted; /* ... and has added a component since */
	u32 top;     /* the walk ended at a root mount's root */
	u32 careful; /* from the second walk on: */
	u32 tries;   /* ... walks so far */
	u32 moving;  /* ... a name on the way was being changed */
	u64 way;     /* ... identifies the steps taken */
	u64 last;    /* ... those of the walk before */
	u64 before;  /* changes of names and mounts when it began */
	u32 held;    /* what it read held at one moment */
	u32 reserved;
	/* Addresses, of walk_loop.h: */
	u64 leaf; /* where it begins, and on which mount */
	u64 leaf_mount;
	u64 dentry; /* where it is */
	u64 mount;
	u64 root; /* of the mount */
};

struct scratch {
	u32 busy;
	u32 reserved;
	struct walk walk;
	u64 deed[12];	      /* struct deed of record.h */
	u64 tables[10];	      /* struct tables of match.h */
	u32 below[2 * KINDS]; /* states behind a directory, by kind and class: subtree.h */
	u32 differ;
	u32 rights[2]; /* by kind, of the old and the new name: names.h */
	u32 commands[2];
	u32 directory;
	u32 refused;
	u32 step;
	u32 kind;
	u32 reserved1;
	struct event ev;
	struct dns dns;
	u64 names[NAMES_MOST]; /* of the address, by hash: bound.h */
	u64 expires[NAMES_MOST];
	u32 names_found;
	u32 route;	 /* net.h: it may be that only the route is asked for */
	u32 route_asked; /* ... so it is */
	u32 proto;	 /* ... of the subject */
	struct name_record learned;
	u64 before_tables; /* the verdict that is kept with the first name: struct bound_way */
	u64 before_judged;
	u64 before_verdict;
	struct peer peer;
	u64 refused_by[3]; /* ... struct outcome without the route */
	u8 buf[PATH_END + SCRATCH_PAD];
};

/*
 * What a task executes, kept from bprm_check_security, where a script is still
 * known, to bprm_committed_creds, where its arguments can be read.
 */
struct command {
	u32 pos; /* start of the subject in path */
	u32 class;
	u32 arguments; /* behind the program's own name */
	u32 reserved;
	u8 path[PATH_END];
};

/*
 * The new program's strings as they lie in its memory, each ended by a NUL, and
 * where in buf the NULs are that matter.
 */
struct words {
	u32 seen;
	u32 before; /* strings before the first argument: the program's name, and an interpreter's own arguments */
	u32 all;    /* strings, arguments included */
	u32 name;   /* NUL behind the program's own name */
	u32 from;   /* ... before the first argument */
	u32 to;	    /* ... behind the last; PATH_END: the arguments are not known */
	u32 begun;  /* bytes of "LD_" that begin the string under way; more: it begins otherwise */
	u32 dirty;  /* a variable begins so, or nobody knows */
	u32 rest;   /* where in buf the last bytes are that fill no word */
	u32 reserved;
	u64 at; /* how far the strings were read */
	u64 end;
	u8 buf[PATH_END];
};

#include "guard_types.h"

/* Never read: it puts types that no map names into the object's BTF, where bpf2go finds them. */
struct abi {
	enum guarded guarded;
	enum guard_why guard_why;
	enum kind kind;
	enum rule rule;
	enum relax relax;
	enum class class;
	enum verdict verdict;
	enum hook hook;
	enum event_kind event_kind;
	enum condition condition;
	enum dns_refusal dns_refusal;
	struct handover_head handover_head;
	struct counted_key counted_key;
	struct counted_value counted_value;
	struct table_header table_header;
	struct verdict_row verdict_row;
};
