/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All maps. Sizes marked "loader" are placeholders that pkg/loader sets before
 * loading. Inner maps give sizes as numbers: clang emits only a forward
 * declaration for a struct that nothing but an inner map uses.
 */
#pragma once
#include "types.h"

const volatile struct settings settings = {};
const volatile struct abi abi __attribute__((used)) = {};

/* cgroup id -> binding. The agent writes it; cgroup_mkdir copies it to children. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct binding);
} bindings SEC(".maps");

/*
 * low bits of a cgroup id -> 1 where a binding may be: an inlined look that
 * spares the execs of all other cgroups the hash. Set before a binding, never cleared.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BOUND_BITS);
	__type(key, u32);
	__type(value, u32);
} maybe_bound SEC(".maps");

#ifndef NO_KFUNCS
/* task -> armed record. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct armed_task);
} armed_tasks SEC(".maps");
#else
/* key of a task -> armed record: see records.h. Loader: as many as the kernel allows threads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, struct armed_task);
} armed_tasks SEC(".maps");

/* high bits of a hashed key -> how many armed tasks share them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << ARMED_BITS);
	__type(key, u32);
	__type(value, u32);
} maybe_armed SEC(".maps");
#endif

/* thread id -> a record that another set of programs hands over. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct handover);
} handed SEC(".maps");

#ifndef NO_KFUNCS
/*
 * task -> what it executes, while it does. Below 8 KiB with the kernel's head, the
 * most that newer kernels give an element.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct command);
} commands SEC(".maps");

/* task -> its new program's strings, within one hook call. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct words);
} words SEC(".maps");
#else
/* key of a task -> the same two: see records.h. As many tasks as a machine has process numbers by default. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, u64);
	__type(value, struct command);
} commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, u64);
	__type(value, struct words);
} words SEC(".maps");

/* What new elements of them begin as: too much for a program's stack. */
static const struct command no_command = {};
static const struct words no_words = {};
#endif

/* slot -> the place of its tables now, plus 1; 0: none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, u32);
	__type(value, u32);
} places SEC(".maps");

/* place -> policy tables. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, PLACES_SMALL);
	__type(key, u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(max_entries, 1);
		__uint(key_size, 4);
		__uint(value_size, TABLE_SMALL);
	});
} policies_small SEC(".maps");

/* place - PLACE_LARGE -> policy tables of the large class. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, PLACES_LARGE);
	__type(key, u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(max_entries, 1);
		__uint(key_size, 4);
		__uint(value_size, TABLE_LARGE);
	});
} policies_large SEC(".maps");

/* place -> decisions per rule number. One element more: see Gate.wait. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, PLACES_SMALL + PLACES_LARGE + 1);
	__type(key, u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(map_flags, BPF_F_INNER_MAP);
		__uint(max_entries, 1);
		__uint(key_size, 4);
		__uint(value_size, 8);
	});
} rule_counts SEC(".maps");

/* 0 -> the current map of counted allows; the agent swaps it whole, then reads the old one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_HASH);
		__uint(max_entries, 16384);
		__uint(key_size, 32);
		__uint(value_size, 32);
	});
} counted SEC(".maps");

/* Scratch slots: loader (SCRATCH_PER_CPU per possible CPU). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCH_PER_CPU);
	__type(key, u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_stats);
} stats SEC(".maps");

/* Decisions, in commit order: loader sets the size, a power of two. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
	__type(value, struct event);
} events SEC(".maps");

/* The agent's sign of life: see control.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct control);
} control SEC(".maps");

/* bound cgroup id, 0 for the node -> when enforcement is off. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct disabled);
} disabled SEC(".maps");

/* What the log is still to say about the off switch. No program uses it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct off_switch);
} switches SEC(".maps");

/* bound cgroup, address -> anything: a server that may be asked on port 53. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct dns_resolver);
	__type(value, u32);
} dns_resolvers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct dns_pod);
} dns_pods SEC(".maps");

/* Addresses to which no name is bound, whoever answers so: the node's own. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__uint(key_size, 16);
	__type(value, u32);
} dns_never SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct dns_socket);
} dns_sockets SEC(".maps");

/* socket -> 1: connected to ask for the route alone, and never to send. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u32);
} route_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connected);
} connected SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct learned_key);
	__type(value, struct bound_set);
} bound SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct learned_key);
	__type(value, struct name_set);
} names SEC(".maps");

/* What a new set begins with: zeros. No lock in it, so that it can be copied from. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct empty_set);
} empty_set SEC(".maps");
