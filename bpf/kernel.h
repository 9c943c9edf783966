/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel types and fields in use. CO-RE relocates every access to the
 * running kernel's layout, so only names and types matter here, not order.
 * Constants are not in BTF; each names the header it was taken from.
 */
#pragma once
#include "helpers.h"

#define SIGKILL 9 /* include/uapi/asm-generic/signal.h */

#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EINVAL 22

#define FMODE_READ 1		   /* include/linux/fs.h */
#define FMODE_WRITE 2		   /* include/linux/fs.h */
#define FMODE_EXEC 0x20		   /* include/linux/fs.h; in f_flags only an exec sets it, VALID_OPEN_FLAGS lacks it */
#define FMODE_PATH 0x4000	   /* include/linux/fs.h: O_PATH */
#define FMODE_CREATED 0x100000	   /* include/linux/fs.h */
#define FMODE_NOACCOUNT 0x20000000 /* include/linux/fs.h, at this place from 4.20 to 6.9 at least */
#define O_TRUNC 01000		   /* include/uapi/asm-generic/fcntl.h */
#define PROT_EXEC 4		   /* include/uapi/asm-generic/mman-common.h */
#define PROT_WRITE 2		   /* include/uapi/asm-generic/mman-common.h */
#define MAP_TYPE 0xf		   /* include/uapi/linux/mman.h */
#define MAP_SHARED 1
#define MAP_SHARED_VALIDATE 3
#define VM_SHARED 8	    /* include/linux/mm.h */
#define RENAME_EXCHANGE 2   /* include/uapi/linux/fs.h */
#define MNT_INTERNAL 0x4000 /* include/linux/mount.h: made by the kernel for itself */
#define AF_UNSPEC 0	    /* include/linux/socket.h */
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_ALG 38
#define AF_VSOCK 40
#define AF_XDP 44
#define SOCK_STREAM 1 /* include/linux/net.h */
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_SEQPACKET 5
#define NETLINK_ROUTE 0 /* include/uapi/linux/netlink.h */
#define NETLINK_AUDIT 9
#define IPPROTO_TCP 6 /* include/uapi/linux/in.h */
#define IPPROTO_UDP 17
#define IPPROTO_ICMP 1
#define IPPROTO_ICMPV6 58
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136
#define IPPROTO_MPTCP 262
#define SB_I_NOEXEC 2		    /* include/linux/fs.h: nothing on it is ever executed */
#define MQUEUE_MAGIC 0x19800202	    /* ipc/mqueue.c */
#define CGROUP_SUPER_MAGIC 0x27e0eb /* include/uapi/linux/magic.h */
#define CGROUP2_SUPER_MAGIC 0x63677270
#define PROC_SUPER_MAGIC 0x9fa0
#define SYSFS_MAGIC 0x62656572
#define BINFMTFS_MAGIC 0x42494e4d
#define BPF_FS_MAGIC 0xcafe4a11
#define NSFS_MAGIC 0x6e736673
#define TRACEFS_MAGIC 0x74726163
#define DEBUGFS_MAGIC 0x64626720
#define SECURITYFS_MAGIC 0x73636673
#define PSTOREFS_MAGIC 0x6165676c
#define EFIVARFS_MAGIC 0xde5e81e4
#define SELINUX_MAGIC 0xf97cff8c
#define SMACK_MAGIC 0x43415d53
#define RDTGROUP_SUPER_MAGIC 0x7655821
#define XENFS_SUPER_MAGIC 0xabba1974
#define CONFIGFS_MAGIC 0x62656570	/* fs/configfs/mount.c */
#define FUSE_CTL_SUPER_MAGIC 0x65735543 /* fs/fuse/control.c */
#define NFSD_MAGIC 0x6e667364		/* fs/nfsd/nfsctl.c */
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#define EXT4_SUPER_MAGIC 0xef53
#define XFS_SUPER_MAGIC 0x58465342
#define BTRFS_SUPER_MAGIC 0x9123683e
#define TMPFS_MAGIC 0x1021994
#define PR_SET_MM 35			 /* include/uapi/linux/prctl.h */
#define CLONE_INTO_CGROUP 0x200000000ULL /* include/uapi/linux/sched.h */
#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFDIR 0040000
#define S_IFBLK 0060000
#define S_IFCHR 0020000
#define ATTR_MODE 1 /* include/linux/fs.h */
#define ATTR_UID 2
#define ATTR_GID 4
#define ATTR_SIZE 8
#define ATTR_ATIME 0x10
#define ATTR_MTIME 0x20
#define ATTR_FORCE 0x200
#define FS_IOC_SETFLAGS 0x40086602 /* include/uapi/linux/fs.h */
#define FS_IOC32_SETFLAGS 0x40046602
#define FS_IOC_SETVERSION 0x40087602
#define FS_IOC32_SETVERSION 0x40047602
#define FS_IOC_FSSETXATTR 0x401c5820
#define FS_IOC_ENABLE_VERITY 0x40806685		/* include/uapi/linux/fsverity.h */
#define FS_IOC_SET_ENCRYPTION_POLICY 0x800c6613 /* include/uapi/linux/fscrypt.h */
#define BTRFS_IOCTL_MAGIC 0x94			/* include/uapi/linux/btrfs.h; FICLONE and the like too */
#define PTRACE_MODE_ATTACH 2			/* include/linux/ptrace.h */
#define PTRACE_MODE_NOAUDIT 4
#define READING_UNKNOWN 0 /* include/linux/kernel_read_file.h; LOADING_... are the same numbers */
#define READING_FIRMWARE 1
#define READING_KEXEC_IMAGE 3
#define READING_KEXEC_INITRAMFS 4
#define KEY_NEED_VIEW 1 /* include/linux/key.h */
#define S_IFSOCK 0140000
#define MS_REMOUNT 0x20			    /* include/uapi/linux/mount.h */
#define MS_PROPAGATION 0x1e0000		    /* unbindable, private, slave, shared */
#define PF_KTHREAD 0x200000		    /* include/linux/sched.h */
#define CAP_SYS_ADMIN 21		    /* include/uapi/linux/capability.h */
#define BPF_LINK_GET_FD_BY_ID 30	    /* include/uapi/linux/bpf.h */
#define FAT_IOCTL_SET_ATTRIBUTES 0x40047211 /* include/uapi/linux/msdos_fs.h */

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

struct cred {
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

struct sock_common {
	u16 skc_family;
	possible_net_t skc_net;
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
