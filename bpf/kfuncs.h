/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel offers as kfuncs, and what stands in for them where it does
 * not. The sources are built twice: the second object, with NO_KFUNCS, is for
 * kernels before 6.10 and uses nothing that 6.1 lacks. pkg/loader chooses by
 * asking the running kernel for the kfuncs. All differences are here, in walk.h,
 * scratch.h and records.h; the hooks know of none.
 */
#pragma once
#include "helpers.h"

struct bpf_iter_num {
	u64 opaque[1];
} __attribute__((aligned(8)));

/* BPF_TYPE_ID_TARGET, tools/lib/bpf/bpf_core_read.h: the type's id in the running kernel. */
#define kernel_type_id(type) __builtin_btf_type_id(*(typeof(type) *)0, 1)
/* BPF_TYPE_EXISTS: whether the running kernel has the type. */
#define kernel_has_type(type) __builtin_preserve_type_info(*(typeof(type) *)0, 0)
/* BPF_FIELD_BYTE_OFFSET */
#define kernel_offset(type, member) __builtin_preserve_field_info(((type *)0)->member, 0)

#ifndef NO_KFUNCS

/* Open-coded number iterator, since 6.4. */
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;
/* No preemption in between, since 6.10. */
extern void bpf_preempt_disable(void) __ksym;
extern void bpf_preempt_enable(void) __ksym;
/* A task by its number in the first PID namespace, to be given back. */
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *t) __ksym;
/* A typed, read-only view of an address, since 6.2. */
extern void *bpf_rdonly_cast(const void *obj, u32 btf_id) __ksym;

/* An address as a type whose fields can be read, by kernel_read() alone. */
#define kernel_cast(type, address) ((type *)bpf_rdonly_cast((const void *)(address), kernel_type_id(type)))
#define kernel_read(ptr, member) ((ptr)->member)
/* The verifier of 6.1 forgets the bounds of an index that the compiler has moved about. */
#define index_barrier(ix)

#else

/* A loop that the verifier walks through: for few rounds and small bodies only. */
static __always_inline void bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)
{
	int *n = (int *)it;

	n[0] = start - 1;
	n[1] = end;
}

static __always_inline int *bpf_iter_num_next(struct bpf_iter_num *it)
{
	int *n = (int *)it;

	if (++n[0] >= n[1])
		return NULL;
	return n;
}

static __always_inline void bpf_iter_num_destroy(struct bpf_iter_num *it)
{
}

static __always_inline void bpf_preempt_disable(void)
{
}

static __always_inline void bpf_preempt_enable(void)
{
}

#define kernel_cast(type, address) ((type *)(address))
/* 0 where it cannot be read. */
#define kernel_read(ptr, member)                                        \
	({                                                              \
		typeof((ptr)->member) v_ = 0;                           \
		bpf_probe_read_kernel(&v_, sizeof(v_), &(ptr)->member); \
		v_;                                                     \
	})
#define index_barrier(ix) asm volatile("" : "+r"(ix))

#endif

#define container_of_kernel(ptr, type, member) kernel_cast(type, (const void *)(ptr) - kernel_offset(type, member))
