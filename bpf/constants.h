/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's constants in use. BTF has none of them: each group names the header it was taken from. */
#pragma once

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
#define MS_REMOUNT 0x20		/* include/uapi/linux/mount.h */
#define MS_PROPAGATION 0x1e0000 /* unbindable, private, slave, shared */
#define PF_KTHREAD 0x200000	/* include/linux/sched.h */
#define CAP_SYS_MODULE 16	/* include/uapi/linux/capability.h */
#define CAP_SYS_ADMIN 21
#define CAP_SYS_BOOT 22
#define CAP_SYS_TIME 25
#define BPF_LINK_GET_FD_BY_ID 30	    /* include/uapi/linux/bpf.h */
#define FAT_IOCTL_SET_ATTRIBUTES 0x40047211 /* include/uapi/linux/msdos_fs.h */
#define MSG_FASTOPEN 0x20000000		    /* include/linux/socket.h */
