/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * io_uring, where no other hook sees what it does. Its opens, connects and
 * changes of names ask the hooks of the system calls; its workers and its polling
 * thread are children of the task that made the ring, and inherit the record.
 * Not so: commands to drivers and file systems (uring_cmd), which pass the hooks
 * of ioctl; to sockets they are getsockopt and setsockopt. And acts by credentials
 * that somebody left in the ring (personalities), which may be those of a process
 * outside. A policy relaxes both by io_uring.
 */
#pragma once
#include "hooks_builtin.h"

SEC("lsm/uring_cmd")
int gate_uring_cmd(u64 *ctx)
{
	struct io_uring_cmd *command = (void *)ctx[0];
	struct armed_task *a = armed_self();

	if (likely(!a))
		return 0;
	if ((command->file->f_inode->i_mode & S_IFMT) == S_IFSOCK)
		return 0;
	if (gate_builtin(a, HOOK_URING_CMD, RULE_IO_URING, RELAX_IO_URING))
		return -EACCES;
	return 0;
}

BUILTIN_HOOK(uring_override_creds, HOOK_URING_OVERRIDE_CREDS, RULE_IO_URING, RELAX_IO_URING)
