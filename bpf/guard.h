/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Self-protection: what enforcement and its records stand on is kept from
 * everybody but the agent and the node's administrator.
 *
 *   bpf_map, bpf_prog     a descriptor of our maps and programs, however it is asked for
 *   bpf                   the same for links, which have no hook of their own
 *   ptrace_access_check   the agent's memory, descriptors and state
 *   task_kill, task_set*  signals to the agent; what would starve it: limits, priorities
 *   file_send_sigiotask   a signal that a descriptor sends
 *   inode_*, file_open, file_ioctl   names, content and metadata in our directories: pins, audit log, state
 *   unix_*                sockets there
 *   sb_mount, move_mount, sb_umount   mounts on them, and the end of the file system that holds the pins
 *   bpf_map_free          a map's number is not ours any longer
 *   sched_process_exit    the agent is gone
 *
 * A gated task may do none of it, whatever its policy says: builtin/self-protection.
 * Of the others:
 *   the agent                     may, without a record
 *   the host's mount namespace    and the agent's own: administration; allowed, recorded
 *   another container             refused and recorded while an agent lives. While none does,
 *                                 CAP_SYS_ADMIN in the initial user namespace takes over:
 *                                 allowed, recorded. An upgrade of a pod is that.
 *
 * All is inert until pkg/loader fills the variables, and the agent's number is 0
 * again as soon as it is gone. State that is missing here can only be that of a
 * load under way: nothing is refused then.
 *
 * Records are bounded per cgroup, and all of them together leave half the ring to
 * decisions. What is not recorded is counted, and the next record says how many.
 */
#pragma once
#include "hooks_builtin.h"

volatile u32 guard_agent = 0;	    /* tgid; 0: none alive */
volatile u32 guard_agent_mntns = 0; /* its mount namespace */
volatile u32 guard_host_mntns = 0;  /* that of the host; 0: nothing is guarded yet */
volatile u32 guard_dirs = 0;	    /* elements of guarded_dirs */
volatile u32 guard_pins = 0;	    /* device of the file system that holds the pins */
volatile u64 guard_inside = 0; /* low six bits of the inode numbers in guarded_dirs: directories with what is in them */
volatile u64 guard_above = 0;  /* ... the directories above them */
volatile u32 guard_dir_fd = 0; /* what find_guarded looks for */

/* Our maps, programs and links. Maps that the agent makes later come here by themselves. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct guarded_id);
	__type(value, u32);
} guarded_ids SEC(".maps");

/* directory -> GUARD_INSIDE or GUARD_ABOVE. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct guarded_dir);
	__type(value, u32);
} guarded_dirs SEC(".maps");

/* low bits of a cgroup id -> how much its tasks have recorded here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GUARD_RATES);
	__type(key, u32);
	__type(value, struct guard_rate);
} guard_rates SEC(".maps");

/* What somebody does to something of ours. */
struct touch {
	u64 id;
	const unsigned char *name;
	u32 len; /* of the name */
	u32 hook;
	u32 object; /* enum guarded */
	u32 detail;
};

static __always_inline u32 mntns_of(struct task_struct *t)
{
	return t->nsproxy->mnt_ns->ns.inum;
}

/* CAP_SYS_ADMIN in the initial user namespace. */
static __always_inline int administrator(struct task_struct *t)
{
	struct cred *cred = t->cred;
	u64 caps = 0;

	if (cred->user_ns->level != 0)
		return 0;
	if (bpf_probe_read_kernel(&caps, sizeof(caps), (const void *)cred + kernel_offset(struct cred, cap_effective)))
		return 0;
	return caps >> CAP_SYS_ADMIN & 1;
}

static __always_inline u32 guard_why(struct task_struct *t)
{
	u32 ns = mntns_of(t);

	if (ns && (ns == guard_host_mntns || ns == guard_agent_mntns))
		return WHY_HOST;
	if (!guard_agent && administrator(t))
		return WHY_TAKEOVER;
	return WHY_NONE;
}

/* Puts a name into the slot as a subject; gives its position. */
static __always_inline u32 put_name(struct scratch *s, struct touch *x)
{
	u32 n = x->len, pos, at;

	if (n > GUARD_NAME)
		n = GUARD_NAME;
	index_barrier(n);
	n &= 63;
	pos = PATH_END - 1 - n;
	at = pos;
	index_barrier(at);
	s->buf[at & (PATH_END - 1)] = CLASS_NO_PATH;
	at = pos + 1;
	index_barrier(at);
	if (n && bpf_probe_read_kernel(&s->buf[at & (PATH_END - 1)], n, x->name))
		return PATH_END - 1;
	return pos;
}

/* How many records were held back since the last one; less than 0: hold this one back too. */
static __noinline s64 guard_hold(u64 cgroup)
{
	u32 ix = cgroup & (GUARD_RATES - 1);
	struct guard_rate *r = bpf_map_lookup_elem(&guard_rates, &ix);
	u64 now = bpf_ktime_get_boot_ns();

	if (!r)
		return -1;
	if (now - r->since > GUARD_INTERVAL) {
		r->since = now;
		r->sent = 0;
	}
	if (__sync_fetch_and_add(&r->sent, 1) >= GUARD_BURST ||
	    bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > settings.ring_bytes / 2) {
		__sync_fetch_and_add(&r->held, 1);
		count_stat(guard_held);
		return -1;
	}
	return __sync_lock_test_and_set(&r->held, 0);
}

/* A record of a task that nothing gates: one sequence number, one decision. */
static __noinline int guard_record(struct touch *x, u32 why)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct task_struct *parent = t->real_parent;
	struct cpu_stats *st = cpu_stats();
	u64 cgroup = t->cgroups->dfl_cgrp->kn->id;
	s64 held = guard_hold(cgroup);
	struct bpf_dynptr ring;
	struct scratch *s;
	struct event *e;
	u64 id;
	u32 len;

	if (held < 0 || !st)
		return 0;
	s = scratch_claim();
	if (!s)
		return 0;
	e = &s->ev;
	__builtin_memset(e, 0, sizeof(*e));
	len = PATH_END - put_name(s, x);
	__sync_fetch_and_add(&st->decisions, 1);
	id = bpf_get_current_uid_gid();
	e->version = ABI_VERSION;
	e->kind = EVENT_GUARD;
	e->action = KIND_SYSTEM;
	e->hook = x->hook;
	e->rule = RULE_SELF_PROTECTION;
	e->verdict = VERDICT_ALLOW;
	if (why == WHY_NONE) {
		e->verdict = VERDICT_DENY;
		e->ret = -EACCES;
		__sync_fetch_and_add(&st->denied, 1);
	}
	e->cpu = bpf_get_smp_processor_id();
	e->seq = __sync_fetch_and_add(&st->seq, 1) + 1;
	e->time = bpf_ktime_get_boot_ns();
	e->cgroup = cgroup;
	e->table_id = held;
	e->slot = SLOT_NONE;
	e->tid = t->pid;
	e->tgid = t->tgid;
	e->uid = id;
	e->gid = id >> 32;
	e->start_time = t->group_leader->start_boottime;
	e->parent_tgid = parent->tgid;
	e->parent_start_time = parent->group_leader->start_boottime;
	e->exe = x->object;
	e->subject = x->id;
	e->flags = why;
	e->requested = x->detail;
	e->class = CLASS_NO_PATH;
	e->subject_len = len;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	bpf_probe_read_kernel(e->parent_comm, sizeof(e->parent_comm), parent->comm);
	if (bpf_ringbuf_reserve_dynptr(&events, sizeof(*e) + (len & 127), 0, &ring)) {
		bpf_ringbuf_discard_dynptr(&ring, 0);
		__sync_fetch_and_add(&st->lost, 1);
	} else {
		bpf_dynptr_write(&ring, 0, e, sizeof(*e), 0);
		bpf_dynptr_write(&ring, sizeof(*e), &s->buf[(PATH_END - len) & (PATH_END - 1)], len & 127, 0);
		bpf_ringbuf_submit_dynptr(&ring, 0);
		__sync_fetch_and_add(&st->emitted, 1);
	}
	scratch_release(s);
	return 0;
}

/* A gated task's: a decision like all others, with the object's name. */
static __noinline int guard_gated(struct armed_task *a, struct touch *x)
{
	struct act act;
	int ret;

	if (!act_begin(&act, a, KIND_SYSTEM, x->hook))
		return -EACCES;
	tables_known(act.t);
	decide_builtin(&act, RULE_SELF_PROTECTION, RELAX_NEVER);
	act.d->requested = x->detail;
	act.d->pos = put_name(act.s, x);
	ret = finish(&act);
	scratch_release(act.s);
	if (ret)
		return -EACCES;
	return 0;
}

/* Whether the current task is refused. */
static __noinline int guard_touch(struct touch *x)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct armed_task *a = armed_self();
	u32 why;

	if (a)
		return guard_gated(a, x);
	if (t->tgid == guard_agent || (t->flags & PF_KTHREAD))
		return 0;
	why = guard_why(t);
	guard_record(x, why);
	return why == WHY_NONE;
}

/* Maps, programs, links. */

static __always_inline int guard_object(u32 object, u32 id, const char *name, u32 hook, u32 detail)
{
	struct guarded_id key = {.object = object, .id = id};
	u32 one = 1;

	if (bpf_get_current_task_btf()->tgid == guard_agent) {
		if (object != GUARDED_LINK)
			bpf_map_update_elem(&guarded_ids, &key, &one, 0);
		return 0;
	}
	if (likely(!bpf_map_lookup_elem(&guarded_ids, &key)))
		return 0;
	struct touch x = {
		.id = id,
		.name = (const void *)name,
		.len = name ? 15 : 0,
		.hook = hook,
		.object = object,
		.detail = detail,
	};
	return guard_touch(&x);
}

SEC("lsm/bpf_map")
int guard_bpf_map(u64 *ctx)
{
	struct bpf_map *map = (void *)ctx[0];

	if (likely(!guard_host_mntns))
		return 0;
	if (guard_object(GUARDED_MAP, map->id, map->name, HOOK_BPF_MAP, ctx[1]))
		return -EACCES;
	return 0;
}

SEC("lsm/bpf_prog")
int guard_bpf_prog(u64 *ctx)
{
	struct bpf_prog *prog = (void *)ctx[0];

	if (likely(!guard_host_mntns))
		return 0;
	if (guard_object(GUARDED_PROGRAM, prog->aux->id, prog->aux->name, HOOK_BPF_PROG, 0))
		return -EACCES;
	return 0;
}

/* What the kernel copied of the caller's arguments begins with the link's number. */
SEC("lsm/bpf")
int guard_bpf(u64 *ctx)
{
	u32 id = 0;

	if (likely((int)ctx[0] != BPF_LINK_GET_FD_BY_ID) || !guard_host_mntns)
		return 0;
	if (bpf_probe_read_kernel(&id, sizeof(id), (const void *)ctx[1]))
		return -EACCES;
	if (guard_object(GUARDED_LINK, id, NULL, HOOK_BPF, ctx[0]))
		return -EACCES;
	return 0;
}

static __always_inline void forget_map(struct bpf_map *map)
{
	struct guarded_id key = {.object = GUARDED_MAP, .id = map->id};

	if (guard_host_mntns)
		bpf_map_delete_elem(&guarded_ids, &key);
}

SEC("lsm/bpf_map_free")
int guard_bpf_map_free(u64 *ctx)
{
	forget_map((void *)ctx[0]);
	return 0;
}

#ifdef NO_KFUNCS
/* Its name before 6.9. */
SEC("lsm/bpf_map_free_security")
int guard_bpf_map_free_security(u64 *ctx)
{
	forget_map((void *)ctx[0]);
	return 0;
}
#endif

/* The agent's process. What a gated task does to it, the hooks of all processes refuse. */

static __always_inline int guard_process(struct task_struct *target, u32 hook, u32 detail)
{
	if (likely(target->tgid != guard_agent) || armed_self())
		return 0;
	struct touch x = {
		.id = target->tgid,
		.name = (const void *)target->comm,
		.len = 15,
		.hook = hook,
		.object = GUARDED_PROCESS,
		.detail = detail,
	};
	return guard_touch(&x);
}

SEC("lsm/ptrace_access_check")
int guard_ptrace_access_check(u64 *ctx)
{
	struct task_struct *target = (void *)ctx[0];
	struct task_struct *t = bpf_get_current_task_btf();

	if (likely(target->tgid != guard_agent))
		return 0;
	/* How much of a process /proc shows; its reader is not told. */
	if (ctx[1] & PTRACE_MODE_NOAUDIT) {
		if (armed_self() || t->tgid == guard_agent || guard_why(t) != WHY_NONE)
			return 0;
		count_stat(outward);
		return -EACCES;
	}
	if (guard_process(target, HOOK_PTRACE_ACCESS_CHECK, ctx[1]))
		return -EACCES;
	return 0;
}

SEC("lsm/task_kill")
int guard_task_kill(u64 *ctx)
{
	/* Signal 0 only asks whether the target is there. */
	if ((int)ctx[2] == 0)
		return 0;
	if (guard_process((void *)ctx[0], HOOK_TASK_KILL, ctx[2]))
		return -EACCES;
	return 0;
}

/* By the owner of a descriptor (F_SETOWN), at a moment when anybody may be the current task. The agent owns none. */
SEC("lsm/file_send_sigiotask")
int guard_file_send_sigiotask(u64 *ctx)
{
	struct task_struct *target = (void *)ctx[0];

	if (likely(!guard_agent || target->tgid != guard_agent))
		return 0;
	count_stat(outward);
	return -EACCES;
}

#define GUARD_TASK(name, hook_)                                   \
	SEC("lsm/" #name)                                         \
	int guard_##name(u64 *ctx)                                \
	{                                                         \
		if (guard_process((void *)ctx[0], hook_, ctx[1])) \
			return -EACCES;                           \
		return 0;                                         \
	}

GUARD_TASK(task_setrlimit, HOOK_TASK_SETRLIMIT)
GUARD_TASK(task_setscheduler, HOOK_TASK_SETSCHEDULER)
GUARD_TASK(task_setnice, HOOK_TASK_SETNICE)
GUARD_TASK(task_setioprio, HOOK_TASK_SETIOPRIO)

/* When its last thread goes. */
SEC("tp_btf/sched_process_exit")
int guard_agent_exit(u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];

	if (likely(t->tgid != guard_agent) || t->signal->live.counter > 0)
		return 0;
	guard_agent = 0;
	guard_agent_mntns = 0;
	return 0;
}

/* Directories. */

/*
 * The number of the guarded directory that an object lies in or is, 0: none. Only
 * the agent makes names there, and it makes none deeper than is looked at. A name
 * that is only being made has no inode yet.
 */
static __noinline u64 guarded_by(struct dentry *d, u32 want)
{
	u64 mask = guard_inside;

	if (want & GUARD_ABOVE)
		mask |= guard_above;
	for (int i = 0; i < GUARD_LEVELS; i++) {
		struct inode *inode = d->d_inode;
		struct dentry *up = d->d_parent;

		if (inode && unlikely(mask >> (inode->i_ino & 63) & 1)) {
			struct guarded_dir key = {
				.ino = inode->i_ino,
				.dev = d->d_sb->s_dev,
				.generation = inode->i_generation,
			};
			u32 *found = bpf_map_lookup_elem(&guarded_dirs, &key);

			if (found && (*found & want))
				return key.ino;
		}
		if (up == d)
			break;
		d = up;
		want = GUARD_INSIDE;
	}
	return 0;
}

static __always_inline void touch_name(struct touch *x, struct dentry *d, u64 dir, u32 object, u32 hook)
{
	x->id = dir;
	x->name = d->d_name.name;
	x->len = d->d_name.len;
	x->hook = hook;
	x->object = object;
	x->detail = 0;
}

static __always_inline int guard_name(struct dentry *d, u32 want, u32 object, u32 hook)
{
	struct touch x;
	u64 dir;

	if (likely(!guard_dirs))
		return 0;
	dir = guarded_by(d, want);
	if (likely(!dir))
		return 0;
	touch_name(&x, d, dir, object, hook);
	return guard_touch(&x);
}

/*
 * An open. Of those that nothing gates only what may write: reading the log is
 * everybody's who may. gate_file_open calls it, at the price of a look at one
 * variable where nothing is guarded.
 */
static __always_inline int guard_open(struct armed_task *a, struct file *file)
{
	u32 mode = file->f_mode;
	struct dentry *d;
	struct touch x;
	u64 dir;

	if (!a && !(mode & FMODE_WRITE))
		return 0;
	d = file->f_path.dentry;
	dir = guarded_by(d, GUARD_INSIDE);
	if (likely(!dir))
		return 0;
	touch_name(&x, d, dir, GUARDED_FILE, HOOK_FILE_OPEN);
	x.detail = file->f_flags;
	return guard_touch(&x);
}

#define GUARD_NAMED(program, name, argument, want, hook_)                         \
	SEC("lsm/" #name)                                                         \
	int program(u64 *ctx)                                                     \
	{                                                                         \
		if (guard_name((void *)ctx[argument], want, GUARDED_FILE, hook_)) \
			return -EACCES;                                           \
		return 0;                                                         \
	}

GUARD_NAMED(guard_inode_create, inode_create, 1, GUARD_INSIDE, HOOK_INODE_CREATE)
GUARD_NAMED(guard_inode_mkdir, inode_mkdir, 1, GUARD_INSIDE, HOOK_INODE_MKDIR)
GUARD_NAMED(guard_inode_mknod, inode_mknod, 1, GUARD_INSIDE, HOOK_INODE_MKNOD)
GUARD_NAMED(guard_inode_symlink, inode_symlink, 1, GUARD_INSIDE, HOOK_INODE_SYMLINK)
GUARD_NAMED(guard_inode_unlink, inode_unlink, 1, GUARD_INSIDE, HOOK_INODE_UNLINK)
GUARD_NAMED(guard_inode_rmdir, inode_rmdir, 1, GUARD_INSIDE | GUARD_ABOVE, HOOK_INODE_RMDIR)
/* Mode, owner, size, times. */
GUARD_NAMED(guard_inode_setattr, inode_setattr, 1, GUARD_INSIDE, HOOK_INODE_SETATTR)
GUARD_NAMED(guard_inode_setattr2, inode_setattr, 0, GUARD_INSIDE, HOOK_INODE_SETATTR)
GUARD_NAMED(guard_inode_setxattr, inode_setxattr, 1, GUARD_INSIDE, HOOK_INODE_SETXATTR)
GUARD_NAMED(guard_inode_removexattr, inode_removexattr, 1, GUARD_INSIDE, HOOK_INODE_REMOVEXATTR)
GUARD_NAMED(guard_inode_set_acl, inode_set_acl, 1, GUARD_INSIDE, HOOK_INODE_SET_ACL)
GUARD_NAMED(guard_inode_remove_acl, inode_remove_acl, 1, GUARD_INSIDE, HOOK_INODE_REMOVE_ACL)
GUARD_NAMED(guard_inode_file_setattr, inode_file_setattr, 0, GUARD_INSIDE, HOOK_INODE_FILE_SETATTR)

/* Out of a guarded directory, or into it; or one of those above, which would take it along. */
static __always_inline int guard_move(struct dentry *from, struct dentry *to, u32 want, u32 hook)
{
	struct dentry *d = from;
	struct touch x;
	u64 dir;

	if (likely(!guard_dirs))
		return 0;
	dir = guarded_by(from, want);
	if (!dir) {
		dir = guarded_by(to, want);
		d = to;
	}
	if (likely(!dir))
		return 0;
	touch_name(&x, d, dir, GUARDED_FILE, hook);
	return guard_touch(&x);
}

SEC("lsm/inode_rename")
int guard_inode_rename(u64 *ctx)
{
	if (guard_move((void *)ctx[1], (void *)ctx[3], GUARD_INSIDE | GUARD_ABOVE, HOOK_INODE_RENAME))
		return -EACCES;
	return 0;
}

SEC("lsm/inode_link")
int guard_inode_link(u64 *ctx)
{
	if (guard_move((void *)ctx[0], (void *)ctx[2], GUARD_INSIDE, HOOK_INODE_LINK))
		return -EACCES;
	return 0;
}

static __always_inline int guard_ioctl(u64 *ctx)
{
	struct file *file = (void *)ctx[0];

	if (likely(!guard_dirs) || !(changes_file(ctx[1]) || passes_names(ctx[1])))
		return 0;
	return guard_name(file->f_path.dentry, GUARD_INSIDE, GUARDED_FILE, HOOK_FILE_IOCTL);
}

SEC("lsm/file_ioctl")
int guard_file_ioctl(u64 *ctx)
{
	if (guard_ioctl(ctx))
		return -EACCES;
	return 0;
}

SEC("lsm/file_ioctl_compat")
int guard_file_ioctl_compat(u64 *ctx)
{
	if (guard_ioctl(ctx))
		return -EACCES;
	return 0;
}

/* Mounts. */

static __always_inline int guard_mountpoint(struct path *path, u32 hook)
{
	return guard_name(path->dentry, GUARD_INSIDE | GUARD_ABOVE, GUARDED_MOUNT, hook);
}

SEC("lsm/sb_mount")
int guard_sb_mount(u64 *ctx)
{
	if (guard_mountpoint((void *)ctx[1], HOOK_SB_MOUNT))
		return -EACCES;
	return 0;
}

SEC("lsm/move_mount")
int guard_move_mount(u64 *ctx)
{
	if (guard_mountpoint((void *)ctx[1], HOOK_MOVE_MOUNT))
		return -EACCES;
	return 0;
}

SEC("lsm/sb_umount")
int guard_sb_umount(u64 *ctx)
{
	struct vfsmount *mnt = (void *)ctx[0];
	u32 dev = mnt->mnt_sb->s_dev;

	if (likely(!guard_pins || dev != guard_pins))
		return 0;
	struct touch x = {
		.id = dev,
		.hook = HOOK_SB_UMOUNT,
		.object = GUARDED_MOUNT,
		.detail = ctx[1],
	};
	if (guard_touch(&x))
		return -EACCES;
	return 0;
}

/* Sockets. */

static __always_inline int guard_socket(struct sock *peer, u32 hook)
{
	struct unix_sock *u;
	struct dentry *d;
	struct touch x;
	u64 dir;

	if (!peer || likely(!guard_dirs))
		return 0;
	u = bpf_skc_to_unix_sock(peer);
	if (!u)
		return 0;
	d = u->path.dentry;
	if (!d)
		return 0;
	dir = guarded_by(d, GUARD_INSIDE);
	if (likely(!dir))
		return 0;
	touch_name(&x, d, dir, GUARDED_SOCKET, hook);
	return guard_touch(&x);
}

SEC("lsm/unix_stream_connect")
int guard_unix_stream_connect(u64 *ctx)
{
	if (guard_socket((void *)ctx[1], HOOK_UNIX_STREAM_CONNECT))
		return -EACCES;
	return 0;
}

SEC("lsm/unix_may_send")
int guard_unix_may_send(u64 *ctx)
{
	struct socket *other = (void *)ctx[1];

	if (guard_socket(other->sk, HOOK_UNIX_MAY_SEND))
		return -EACCES;
	return 0;
}

/*
 * Makes the reading process the agent, and writes to it the directory that it has
 * open as guard_dir_fd and those above, as the map guarded_dirs has them.
 */
SEC("iter/task_file")
int find_guarded(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task, *self = bpf_get_current_task_btf();
	struct file *file = ctx->file;
	struct dentry *d;

	if (!t || !file || t->tgid != self->tgid || ctx->fd != guard_dir_fd)
		return 0;
	guard_agent = self->tgid;
	guard_agent_mntns = mntns_of(self);
	d = file->f_path.dentry;
	for (int i = 0; i < GUARD_DEPTH; i++) {
		struct inode *inode = d->d_inode;
		struct dentry *up = d->d_parent;
		struct guarded_dir key = {
			.ino = inode->i_ino,
			.dev = d->d_sb->s_dev,
			.generation = inode->i_generation,
		};

		bpf_seq_write(ctx->meta->seq, &key, sizeof(key));
		if (up == d)
			break;
		d = up;
	}
	return 0;
}
