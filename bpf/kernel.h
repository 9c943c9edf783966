/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel types and fields in use. CO-RE relocates every access to the
 * running kernel's layout, so only names and types matter here, not order.
 */
#pragma once
#include "constants.h"
#include "helpers.h"

struct qstr {
	u32 len;
	const unsigned char *name;
} __core;

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
	unsigned long s_iflags;
} __core;

struct inode {
	u16 i_mode;
	u32 i_nlink;
	u32 i_rdev;
	u32 i_generation;
	unsigned long i_ino;
	struct super_block *i_sb;
} __core;

struct seqcount {
	u32 sequence;
} __core;

typedef struct seqcount seqcount_t;

struct seqcount_spinlock {
	seqcount_t seqcount;
} __core;

typedef struct seqcount_spinlock seqcount_spinlock_t;

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
} __core;

struct dentry {
	seqcount_spinlock_t d_seq;
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
} __core;

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
	int mnt_flags;
} __core;

struct ns_common {
	u32 inum;
} __core;

struct mnt_namespace {
	struct ns_common ns;
} __core;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
	int mnt_group_id; /* not 0: shared, its changes reach other mounts */
} __core;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} __core;

struct file {
	u32 f_mode;
	u32 f_flags;
	struct path f_path;
	struct inode *f_inode;
} __core;

/* A file that a stacked file system opened below its own; vmas point at it (since 6.5). */
struct backing_file {
	struct file file;
	struct path user_path;
} __core;

struct iattr {
	u32 ia_valid;
} __core;

struct fs_struct {
	struct path root;
} __core;

struct net {
	struct ns_common ns;
} __core;

struct uts_namespace {
	struct ns_common ns;
} __core;

struct ipc_namespace {
	struct ns_common ns;
} __core;

struct pid_namespace {
	struct ns_common ns;
} __core;

struct time_namespace {
	struct ns_common ns;
} __core;

struct cgroup_namespace {
	struct ns_common ns;
} __core;

struct user_namespace {
	int level;
	struct ns_common ns;
} __core;

struct nsproxy {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
	struct time_namespace *time_ns;
	struct time_namespace *time_ns_for_children;
	struct cgroup_namespace *cgroup_ns;
} __core;

typedef struct {
	u64 val;
} kernel_cap_t;

typedef struct {
	u32 val;
} __core kuid_t;

typedef struct {
	u32 val;
} __core kgid_t;

struct cred {
	kuid_t uid;
	kgid_t gid;
	kernel_cap_t cap_effective;
	struct user_namespace *user_ns;
} __core;

struct upid {
	int nr;
	struct pid_namespace *ns;
} __core;

struct hlist_node {
	struct hlist_node *next;
} __core;

struct hlist_head {
	struct hlist_node *first;
} __core;

struct pid {
	u32 level;
	struct hlist_head tasks[4]; /* enum pid_type: by thread id, thread group, process group, session */
	struct upid numbers[];
} __core;

struct proc_inode {
	struct pid *pid;
	struct inode vfs_inode;
} __core;

struct kernfs_node {
	u64 id;
} __core;

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
} __core;

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
} __core;

struct css_set {
	struct cgroup *dfl_cgrp;
} __core;

struct bpf_local_storage;

typedef struct {
	int counter;
} __core atomic_t;

struct signal_struct {
	atomic_t live;
} __core;

struct bpf_map {
	u32 id;
	char name[16];
} __core;

struct bpf_prog_aux {
	u32 id;
	char name[16];
} __core;

struct bpf_prog {
	struct bpf_prog_aux *aux;
} __core;

struct mm_struct {
	struct file *exe_file;
} __core;

struct fdtable {
	u32 max_fds;
	struct file **fd;
} __core;

struct files_struct {
	struct fdtable *fdt;
} __core;

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	unsigned in_execve : 1;
	u64 start_boottime;
	char comm[16];
	struct task_struct *real_parent;
	struct mm_struct *mm;
	struct task_struct *group_leader;
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct cred *cred;
	struct pid *thread_pid;
	struct hlist_node pid_links[4];
	struct css_set *cgroups;
	struct bpf_local_storage *bpf_storage;
	struct signal_struct *signal;
} __core;

struct linux_binprm {
	struct file *file;
	unsigned long p;    /* the new program's strings, lowest address */
	unsigned long exec; /* the last of them: what was executed, as named */
	int argc;
	unsigned int is_check : 1; /* since 6.14: execveat(AT_EXECVE_CHECK), nothing will run */
	const char *filename;
	const char *interp;
} __core;

struct vm_area_struct {
	struct file *vm_file;
	unsigned long vm_flags;
} __core;

typedef struct {
	struct net *net;
} __core possible_net_t;

struct in6_addr {
	u64 bytes[2]; /* no field of the kernel's: never relocated */
};

struct sock_common {
	u32 skc_daddr;
	u16 skc_dport;
	u16 skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
} __core;

enum lockdown_reason {
	LOCKDOWN_DEBUGFS = 15,
	LOCKDOWN_KPROBES = 22,
	LOCKDOWN_BPF_READ_KERNEL,
	LOCKDOWN_PERF = 25,
	LOCKDOWN_TRACEFS,
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
} __core;

struct sock {
	struct sock_common __sk_common;
	u16 sk_type;
	u16 sk_protocol;
	struct sock_cgroup_data sk_cgrp_data;
	struct bpf_local_storage *sk_bpf_storage;
} __core;

/* What a message is sent with: the kernel's copy. */
struct msghdr {
	void *msg_name;
	int msg_namelen;
	unsigned int msg_flags;
} __core;

/* The connection that subflows belong to. */
struct mptcp_sock {
	struct sock *first;
} __core;

struct io_uring_cmd {
	struct file *file;
} __core;

struct keyring_index_key {
	const char *description;
} __core;

struct key {
	int serial;
	struct keyring_index_key index_key;
} __core;

/* Of x86-64. */
struct pt_regs {
	unsigned long bx;
	unsigned long di;
	unsigned long orig_ax;
} __core;

struct unix_sock {
	struct sock sk;
	struct path path;
} __core;

struct socket {
	struct sock *sk;
} __core;

struct sockaddr {
	u16 sa_family;
} __core;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 seq_num;
} __core;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
} __core;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __core;

/*
 * A bit field has no address, so CO-RE cannot relocate a plain access. The
 * second arguments are enum bpf_field_info_kind (tools/lib/bpf/bpf_core_read.h):
 * 0 byte offset, 1 byte size, 4 left shift, 5 right shift of the 64-bit value.
 */
#define BIT_FIELD(function, type, field)                                                      \
	static __always_inline u64 function(type *t)                                          \
	{                                                                                     \
		const void *p = (const void *)t + __builtin_preserve_field_info(t->field, 0); \
		u64 val = 0;                                                                  \
                                                                                              \
		switch (__builtin_preserve_field_info(t->field, 1)) {                         \
		case 1:                                                                       \
			val = *(const u8 *)p;                                                 \
			break;                                                                \
		case 2:                                                                       \
			val = *(const u16 *)p;                                                \
			break;                                                                \
		case 4:                                                                       \
			val = *(const u32 *)p;                                                \
			break;                                                                \
		case 8:                                                                       \
			val = *(const u64 *)p;                                                \
			break;                                                                \
		}                                                                             \
		val <<= __builtin_preserve_field_info(t->field, 4);                           \
		val >>= __builtin_preserve_field_info(t->field, 5);                           \
		return val;                                                                   \
	}

BIT_FIELD(task_in_execve, struct task_struct, in_execve)
BIT_FIELD(only_a_check, struct linux_binprm, is_check)
