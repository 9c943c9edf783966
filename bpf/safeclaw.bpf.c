// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The gate: LSM programs that decide every exec, file and network action of
 * armed tasks by the policy tables of their slot.
 *
 *   hooks_task.h          exec and fork: who is gated, and every program that starts
 *   inherit.h             what the arming exec's program inherits open
 *   file_open             file.read and file.write
 *   mmap_file, file_mprotect   executable mappings of files, shared writable ones
 *   hooks_file.h          all else that changes a file, a name or what is known of them
 *   guard.h               what enforcement itself stands on, against gated tasks and other containers
 *   hooks_builtin.h       mounts, roots, user namespaces, tracing: denied whatever the policy says
 *   outside.h             files that act on the node, or show it: the same
 *   socket_connect        network.request by address
 *   unix_stream_connect, unix_may_send   unix sockets, judged as files
 *   hooks_system.h        bpf, perf, modules, kexec and the node's own state
 *   hooks_socket.h        families of sockets, subflows of MPTCP
 *   hooks_uring.h, hooks_key.h   what io_uring and key rings would lend
 *   hooks_outward.h       signals, limits and schedulings: only within the bound cgroup
 *   cgroup_mkdir          a child cgroup inherits its parent's binding
 *   iter/task             arms what already runs in a cgroup when it is bound;
 *                         lists what is still armed when a run ends
 *   iter/task_file        finds the host's root directory
 *   handover.h            tells another build of these programs who is armed
 *
 * Enforcement rests on the LSM programs alone: they have no recursion guard and
 * always run. cgroup_mkdir fires under a spin lock and is not skipped either.
 * When state is missing: no record means not gated; a record without readable
 * tables, a free scratch slot or a trustworthy path means deny.
 *
 * No hook looks at an earlier program's verdict: the trampoline ends the chain
 * at the first non-zero return, so a denial cannot be turned into an allowance.
 */
#include "cut.h"
#include "exec.h"
#include "handover.h"
#include "hooks_builtin.h"
#include "hooks_dns.h"
#include "hooks_file.h"
#include "guard_files.h"
#include "guard_objects.h"
#include "hooks_key.h"
#include "hooks_outward.h"
#include "hooks_socket.h"
#include "hooks_system.h"
#include "hooks_task.h"
#include "hooks_uring.h"
#include "inherit.h"
#include "net.h"

static __noinline int gate_open(struct armed_task *a, struct file *file)
{
	struct request r = {};
	struct inode *inode;
	u32 mode, flags;
	int ret;

	mode = file->f_mode;
	flags = file->f_flags;
	/*
	 * Opened to be executed: bprm_check_security judges the program, mmap_file
	 * its ELF interpreter. mq_open and devpts let callers forge the flag, on
	 * file systems and objects from which nothing is executed.
	 */
	inode = file->f_inode;
	if (opened_below(file, inode, mode))
		return 0;
	if ((flags & FMODE_EXEC) && (inode->i_mode & S_IFMT) == S_IFREG && !(inode->i_sb->s_iflags & SB_I_NOEXEC))
		return 0;
	r.dentry = file->f_path.dentry;
	r.mnt = file->f_path.mnt;
	r.requested = flags;
	r.hook = HOOK_FILE_OPEN;
	r.kind = KIND_READ;
	r.opens = 1;
	r.ordinary = ordinary(inode);
	/* Access mode 3 (neither read nor write) gives a descriptor for ioctl: as read and write. */
	if ((mode & FMODE_WRITE) || (flags & O_TRUNC) || !(mode & (FMODE_READ | FMODE_WRITE))) {
		r.kind = KIND_WRITE;
		r.also_read = (mode & FMODE_READ) || !(mode & FMODE_WRITE);
	}
	/* Created by this open: path_mknod has judged and recorded that. */
	r.repeat = (mode & FMODE_CREATED) && r.kind == KIND_WRITE && was_judged(a, r.dentry, HOOK_PATH_MKNOD);
	ret = gate_path(a, &r);
	if (flags & O_TRUNC)
		note_judged(a, &file->f_path, HOOK_FILE_OPEN, ret);
	if (ret)
		return -EACCES;
	return 0;
}

SEC("lsm/file_open")
int gate_file_open(u64 *ctx)
{
	struct armed_task *a = armed_self();

	if (guard_dirs && guard_open(a, (void *)ctx[0]))
		return -EACCES;
	if (likely(!a))
		return 0;
	if (gate_open(a, (void *)ctx[0]))
		return -EACCES;
	return 0;
}

/* Whether a file becomes code: its exec's verdict covers the program just exec'd, not its ELF interpreter, which may be
 * any program. */
static __always_inline int becomes_code(struct file *file, u32 prot)
{
	struct task_struct *t = bpf_get_current_task_btf();

	return (prot & PROT_EXEC) && !(task_in_execve(t) && t->mm && t->mm->exe_file == file);
}

/*
 * A mapping of a file: as code, as memory that writes to the file, as both. The
 * descriptor was judged when it was opened; it may come from elsewhere.
 */
static __noinline int gate_mapping(struct armed_task *a, struct file *file, u32 prot, u32 shared, u32 hook)
{
	struct request r = {};
	u32 code, write;

	code = becomes_code(file, prot);
	write = shared && (prot & PROT_WRITE);
	if (!code && !write)
		return 0;
	r.dentry = file->f_path.dentry;
	r.mnt = file->f_path.mnt;
	if (hook == HOOK_FILE_MPROTECT)
		r.user_path = path_above(file);
	r.requested = prot;
	r.kind = code ? KIND_MAP : KIND_WRITE;
	r.also_write = code && write;
	r.hook = hook;
	r.no_deleted = code;
	if (gate_path(a, &r))
		return -EACCES;
	return 0;
}

static __always_inline int maps_more(struct file *file, u32 prot)
{
	return file && (prot & (PROT_EXEC | PROT_WRITE));
}

SEC("lsm/mmap_file")
int gate_mmap_file(u64 *ctx)
{
	struct file *file = (void *)ctx[0];
	struct armed_task *a;
	u32 type;

	if (!maps_more(file, ctx[2]))
		return 0;
	a = armed_self();
	if (likely(!a))
		return 0;
	type = ctx[3] & MAP_TYPE;
	if (gate_mapping(a, file, ctx[2], type == MAP_SHARED || type == MAP_SHARED_VALIDATE, HOOK_MMAP_FILE))
		return -EACCES;
	return 0;
}

SEC("lsm/file_mprotect")
int gate_file_mprotect(u64 *ctx)
{
	struct vm_area_struct *vma = (void *)ctx[0];
	struct file *file = vma->vm_file;
	struct armed_task *a;

	if (!maps_more(file, ctx[2]))
		return 0;
	a = armed_self();
	if (likely(!a))
		return 0;
	if (gate_mapping(a, file, ctx[2], !!(vma->vm_flags & VM_SHARED), HOOK_FILE_MPROTECT))
		return -EACCES;
	return 0;
}

SEC("lsm/socket_connect")
int gate_socket_connect(u64 *ctx)
{
	struct socket *sock = (void *)ctx[0];
	struct sockaddr *address = (void *)ctx[1];
	struct armed_task *a = armed_self();
	struct sock *sk;

	if (likely(!a))
		return 0;
	sk = sock->sk;
	if (!sk)
		return -EACCES;
	/* Judged where the peer is known: unix_stream_connect, unix_may_send. */
	if (sk->__sk_common.skc_family == AF_UNIX)
		return 0;
	/* The peer is the kernel, or a socket of the same kind. */
	if (sk->__sk_common.skc_family == AF_NETLINK &&
	    socket_kind(AF_NETLINK, sk->sk_type, sk->sk_protocol) == SOCKET_LISTED)
		return 0;
	/* AF_UNSPEC dissolves an association. */
	if ((int)ctx[2] >= 2 && address->sa_family == AF_UNSPEC &&
	    (sk->__sk_common.skc_family == AF_INET || sk->__sk_common.skc_family == AF_INET6))
		return 0;
	return gate_connect(a, sk, address, ctx[2]);
}

SEC("lsm/socket_sendmsg")
int gate_socket_sendmsg(u64 *ctx)
{
	struct socket *sock = (void *)ctx[0];
	struct msghdr *msg = (void *)ctx[1];
	struct armed_task *a = armed_self();
	struct sock *sk;
	u32 family;

	if (likely(!a))
		return 0;
	sk = sock->sk;
	if (!sk)
		return -EACCES;
	family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (gate_send(a, sk, msg))
		return -EACCES;
	return 0;
}

SEC("lsm/unix_stream_connect")
int gate_unix_stream_connect(u64 *ctx)
{
	struct armed_task *a = armed_self();

	if (likely(!a))
		return 0;
	return gate_unix_peer(a, (void *)ctx[1], HOOK_UNIX_STREAM_CONNECT);
}

SEC("lsm/unix_may_send")
int gate_unix_may_send(u64 *ctx)
{
	struct socket *other = (void *)ctx[1];
	struct armed_task *a = armed_self();
	struct sock *sk;

	if (likely(!a))
		return 0;
	sk = other->sk;
	if (!sk)
		return -EACCES;
	return gate_unix_peer(a, sk, HOOK_UNIX_MAY_SEND);
}

/* Runs in mkdir's caller, before the directory can be used. */
SEC("tp_btf/cgroup_mkdir")
int inherit_binding(u64 *ctx)
{
	struct cgroup *child = (void *)ctx[0];
	struct cgroup_subsys_state *up = child->self.parent;
	struct binding *b, copy;
	u32 bit, *maybe;
	u64 id;

	if (!up)
		return 0;
	id = up->cgroup->kn->id;
	b = bpf_map_lookup_elem(&bindings, &id);
	if (!b)
		return 0;
	copy = *b;
	copy.entry_owner = 0;
	id = child->kn->id;
	bit = id & (BOUND_BITS - 1);
	maybe = bpf_map_lookup_elem(&maybe_bound, &bit);
	if (maybe)
		*maybe = 1;
	if (bpf_map_update_elem(&bindings, &id, &copy, 0)) {
		count_stat(bind_lost);
		bindings_overflowed = 1;
	}
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int forget_binding(u64 *ctx)
{
	struct cgroup *gone = (void *)ctx[0];
	u64 id = gone->kn->id;

	bpf_map_delete_elem(&bindings, &id);
	return 0;
}

/*
 * Arms the tasks of bound cgroups that run already, and writes their thread
 * ids to the reader, 0 for one that could not be. A container's tasks that still see the host's root are
 * its runtime; they are armed by their own exec.
 */
SEC("iter/task")
int arm_existing(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct armed_task *a;
	struct binding *b;
	u32 tid = 0;

	if (!t)
		return 0;
	b = binding_of(t);
	if (!b || (b->flags & BIND_EXEMPT))
		return 0;
	if (!t->fs || ((b->flags & BIND_CONTAINER) && on_host_root(t)))
		return 0;
	a = task_record(t, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!a) {
		count_stat(no_storage);
		bpf_seq_write(ctx->meta->seq, &tid, sizeof(tid));
		return 0;
	}
	if (a->flags & ARMED)
		return 0;
	a->slot = b->slot;
	a->cgroup = b->cgroup;
	__sync_lock_test_and_set(&a->flags, ARMED | ARM_LATE);
	tid = t->pid;
	bpf_seq_write(ctx->meta->seq, &tid, sizeof(tid));
	return 0;
}

/* Keeps the directory that the reading process has open as `host_root_fd`. */
volatile u32 host_root_fd = 0;

SEC("iter/task_file")
int find_host_root(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task;
	struct file *file = ctx->file;

	if (!t || !file || t->tgid != bpf_get_current_task_btf()->tgid || ctx->fd != host_root_fd)
		return 0;
	host_root = (u64)file->f_path.dentry;
	return 0;
}

/* Writes the process ids of every armed task of the cgroup in `survivors_of` to the reader. */
volatile u64 survivors_of = 0;

SEC("iter/task")
int list_armed(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct armed_task *a;
	u32 pid;

	if (!t)
		return 0;
	a = task_record(t, 0);
	if (!a || !(a->flags & ARMED) || a->cgroup != survivors_of)
		return 0;
	pid = t->tgid;
	bpf_seq_write(ctx->meta->seq, &pid, sizeof(pid));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
