package loader

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

// Verdict is what the kernel decided.
type Verdict uint8

// Verdicts, enum verdict of bpf/numbers.h.
const (
	Deny      = Verdict(safeclawVerdictVERDICT_DENY)
	Allow     = Verdict(safeclawVerdictVERDICT_ALLOW)
	WouldDeny = Verdict(safeclawVerdictVERDICT_WOULD_DENY)
	// SwitchedOff is a denial that was not enforced: the off switch is on.
	SwitchedOff = Verdict(safeclawVerdictVERDICT_DISABLED)
)

// Event is one decision from the ring.
type Event struct {
	Action    uint8 // policy.Kind
	Verdict   Verdict
	Hook      string
	Rule      uint16
	CPU       uint32
	Seq       uint64        // per CPU, from 1
	Time      time.Duration // since boot
	Errno     int32         // what the hook returned, 0 or negative
	Cgroup    uint64        // the bound cgroup
	TableID   uint64
	Slot      uint32
	TID, PID  uint32
	UID, GID  uint32
	StartTime time.Duration // of the process, since boot
	Comm      string
	Parent    struct {
		PID       uint32
		StartTime time.Duration
		Comm      string
	}
	ExeID     uint64 // keyed hash of the executable's path, as in the exec's SubjectID
	SubjectID uint64
	Class     string         // root, mount, no-path, anonymous, unresolvable, too-long, own-net, host-net
	Requested uint32         // open flags, mmap protection; for signals the process; for keys the serial number; for sockets family, type << 8, protocol << 16
	Late      bool           // the task was armed while it ran
	Subject   []byte         // the path, without its class byte; empty where there is none
	Address   netip.AddrPort // of a connect
	Protocol  uint8
	Name      Name   // of a connect: the name by which the address was judged, if it had one
	Query     *Query // set: a DNS query, whose name is the Subject
	Touch     *Touch // set: no decision of a policy; see Protect
}

var hookNames = map[safeclawHook]string{ //nolint:gosec // no credentials: names of hooks
	safeclawHookHOOK_BPRM_CHECK:           "bprm_check_security",
	safeclawHookHOOK_FILE_OPEN:            "file_open",
	safeclawHookHOOK_MMAP_FILE:            "mmap_file",
	safeclawHookHOOK_FILE_MPROTECT:        "file_mprotect",
	safeclawHookHOOK_SOCKET_CONNECT:       "socket_connect",
	safeclawHookHOOK_UNIX_STREAM_CONNECT:  "unix_stream_connect",
	safeclawHookHOOK_UNIX_MAY_SEND:        "unix_may_send",
	safeclawHookHOOK_TASK_ALLOC:           "task_alloc",
	safeclawHookHOOK_PATH_MKNOD:           "path_mknod",
	safeclawHookHOOK_PATH_MKDIR:           "path_mkdir",
	safeclawHookHOOK_PATH_RMDIR:           "path_rmdir",
	safeclawHookHOOK_PATH_UNLINK:          "path_unlink",
	safeclawHookHOOK_PATH_SYMLINK:         "path_symlink",
	safeclawHookHOOK_PATH_LINK:            "path_link",
	safeclawHookHOOK_PATH_RENAME:          "path_rename",
	safeclawHookHOOK_PATH_CHMOD:           "path_chmod",
	safeclawHookHOOK_PATH_CHOWN:           "path_chown",
	safeclawHookHOOK_PATH_TRUNCATE:        "path_truncate",
	safeclawHookHOOK_PATH_NOTIFY:          "path_notify",
	safeclawHookHOOK_FILE_TRUNCATE:        "file_truncate",
	safeclawHookHOOK_FILE_RECEIVE:         "file_receive",
	safeclawHookHOOK_FILE_IOCTL:           "file_ioctl",
	safeclawHookHOOK_INODE_SETATTR:        "inode_setattr",
	safeclawHookHOOK_INODE_SETXATTR:       "inode_setxattr",
	safeclawHookHOOK_INODE_REMOVEXATTR:    "inode_removexattr",
	safeclawHookHOOK_INODE_SET_ACL:        "inode_set_acl",
	safeclawHookHOOK_INODE_FILE_SETATTR:   "inode_file_setattr",
	safeclawHookHOOK_INODE_REMOVE_ACL:     "inode_remove_acl",
	safeclawHookHOOK_BPRM_COMMITTED:       "bprm_committed_creds",
	safeclawHookHOOK_BPRM_CREDS:           "bprm_creds_for_exec",
	safeclawHookHOOK_TASK_PRCTL:           "task_prctl",
	safeclawHookHOOK_SB_MOUNT:             "sb_mount",
	safeclawHookHOOK_SB_UMOUNT:            "sb_umount",
	safeclawHookHOOK_SB_KERN_MOUNT:        "sb_kern_mount",
	safeclawHookHOOK_SB_REMOUNT:           "sb_remount",
	safeclawHookHOOK_MOVE_MOUNT:           "move_mount",
	safeclawHookHOOK_SB_PIVOTROOT:         "sb_pivotroot",
	safeclawHookHOOK_PATH_CHROOT:          "path_chroot",
	safeclawHookHOOK_USERNS_CREATE:        "userns_create",
	safeclawHookHOOK_PTRACE_ACCESS_CHECK:  "ptrace_access_check",
	safeclawHookHOOK_PTRACE_TRACEME:       "ptrace_traceme",
	safeclawHookHOOK_BPRM_COMMITTING:      "bprm_committing_creds",
	safeclawHookHOOK_SYSLOG:               "syslog",
	safeclawHookHOOK_BPF:                  "bpf",
	safeclawHookHOOK_PERF_EVENT_OPEN:      "perf_event_open",
	safeclawHookHOOK_KERNEL_LOAD_DATA:     "kernel_load_data",
	safeclawHookHOOK_KERNEL_READ_FILE:     "kernel_read_file",
	safeclawHookHOOK_LOCKED_DOWN:          "locked_down",
	safeclawHookHOOK_CAPABLE:              "capable",
	safeclawHookHOOK_SOCKET_CREATE:        "socket_create",
	safeclawHookHOOK_MPTCP_ADD_SUBFLOW:    "mptcp_add_subflow",
	safeclawHookHOOK_URING_CMD:            "uring_cmd",
	safeclawHookHOOK_URING_OVERRIDE_CREDS: "uring_override_creds",
	safeclawHookHOOK_KEY_PERMISSION:       "key_permission",
	safeclawHookHOOK_TASK_KILL:            "task_kill",
	safeclawHookHOOK_TASK_SETRLIMIT:       "task_setrlimit",
	safeclawHookHOOK_TASK_SETSCHEDULER:    "task_setscheduler",
	safeclawHookHOOK_TASK_SETNICE:         "task_setnice",
	safeclawHookHOOK_TASK_SETIOPRIO:       "task_setioprio",
	safeclawHookHOOK_BPF_MAP:              "bpf_map",
	safeclawHookHOOK_BPF_PROG:             "bpf_prog",
	safeclawHookHOOK_INODE_CREATE:         "inode_create",
	safeclawHookHOOK_INODE_MKDIR:          "inode_mkdir",
	safeclawHookHOOK_INODE_MKNOD:          "inode_mknod",
	safeclawHookHOOK_INODE_SYMLINK:        "inode_symlink",
	safeclawHookHOOK_INODE_UNLINK:         "inode_unlink",
	safeclawHookHOOK_INODE_RMDIR:          "inode_rmdir",
	safeclawHookHOOK_INODE_RENAME:         "inode_rename",
	safeclawHookHOOK_INODE_LINK:           "inode_link",
	safeclawHookHOOK_SOCKET_SENDMSG:       "socket_sendmsg",
	safeclawHookHOOK_DNS_QUERY:            "dns_query",
}

var classNames = map[safeclawClass]string{
	safeclawClassCLASS_ROOT:         "root",
	safeclawClassCLASS_MOUNT:        "mount",
	safeclawClassCLASS_NO_PATH:      "no-path",
	safeclawClassCLASS_ANONYMOUS:    "anonymous",
	safeclawClassCLASS_UNRESOLVABLE: "unresolvable",
	safeclawClassCLASS_TOO_LONG:     "too-long",
}

const (
	abiVersion   = 1 // ABI_VERSION of bpf/types.h
	addrSubject  = 20
	flagArmLate  = 32
	addrOwnNet   = "own-net"
	addrHostNet  = "host-net"
	kindAddr     = uint8(safeclawKindKIND_ADDR)
	kindHost     = uint8(safeclawKindKIND_HOST)
	eventHeadLen = 144
	ringHead     = 8 // BPF_RINGBUF_HDR_SZ: before each record, which is padded to 8 bytes
)

// Events calls fn for each record until the context ends or fn fails. There is
// one reader at a time. fn must not wait for a disk: the ring fills meanwhile.
func (g *Gate) Events(ctx context.Context, fn func(*Event) error) error {
	stop := context.AfterFunc(ctx, func() {
		if err := g.reader.Flush(); err != nil && !errors.Is(err, os.ErrClosed) {
			g.log.Warn("wake the event reader", "error", err)
		}
	})
	defer stop()
	var rec ringbuf.Record
	for {
		err := g.reader.ReadInto(&rec)
		switch {
		case errors.Is(err, ringbuf.ErrFlushed), errors.Is(err, os.ErrDeadlineExceeded):
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue // left over from an earlier call, or from Drain
		case errors.Is(err, ringbuf.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("read event: %w", err)
		}
		e, err := decodeEvent(rec.RawSample)
		if err != nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

// Drain reads what is in the ring now and returns, however fast more comes.
func (g *Gate) Drain(fn func(*Event) error) error { return drainRing(g.reader, fn) }

func cString(b []uint8) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// decodeEvent copies a ring record into an Event.
func decodeEvent(b []byte) (*Event, error) {
	var h safeclawEvent
	if len(b) < eventHeadLen {
		return nil, fmt.Errorf("decode event: %d bytes are too few", len(b))
	}
	if _, err := binary.Decode(b, binary.LittleEndian, &h); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	if h.Version != abiVersion {
		return nil, fmt.Errorf("decode event: version %d, want %d", h.Version, abiVersion)
	}
	sub := b[eventHeadLen:]
	if int(h.SubjectLen) > len(sub) {
		return nil, fmt.Errorf("decode event: subject of %d bytes in %d", h.SubjectLen, len(sub))
	}
	sub = sub[:h.SubjectLen]
	e := &Event{
		Action: h.Action, Verdict: Verdict(h.Verdict), Hook: hookNames[safeclawHook(h.Hook)], Rule: h.Rule,
		CPU: h.Cpu, Seq: h.Seq, Time: time.Duration(h.Time), Errno: h.Ret,
		Cgroup: h.Cgroup, TableID: h.TableId, Slot: h.Slot, TID: h.Tid, PID: h.Tgid, UID: h.Uid, GID: h.Gid,
		StartTime: time.Duration(h.StartTime), Comm: cString(h.Comm[:]),
		ExeID: h.Exe, SubjectID: h.Subject, Class: classNames[safeclawClass(h.Class)],
		Requested: h.Requested, Late: h.Flags&flagArmLate != 0,
	}
	e.Parent.PID, e.Parent.StartTime, e.Parent.Comm = h.ParentTgid, time.Duration(h.ParentStartTime), cString(h.ParentComm[:])
	switch {
	case h.Kind == eventGuard:
		e.Touch = decodeTouch(&h)
		e.ExeID, e.SubjectID, e.TableID, e.Late = 0, 0, 0, false
		if len(sub) > 0 {
			e.Subject = []byte(cString(sub[1:]))
		}
	case h.Action == kindHost:
		e.Query = &Query{Type: uint16(h.Requested), Refusal: refusals[safeclawDnsRefusal(h.Requested>>16)]}
		if len(sub) > 0 {
			e.Subject = lastFirst(sub[1:])
		}
		e.Class = ""
	case h.Action == kindAddr && len(sub) >= addrSubject:
		e.Name = decodeName(sub[addrSubject:])
		e.Class = addrOwnNet
		if sub[0] == uint8(safeclawClassCLASS_MOUNT) {
			e.Class = addrHostNet
		}
		a := netip.AddrFrom16([16]byte(sub[1:17])).Unmap()
		e.Protocol, e.Address = sub[17], netip.AddrPortFrom(a, binary.BigEndian.Uint16(sub[18:]))
	case len(sub) > 0:
		e.Subject = append([]byte(nil), sub[1:]...)
	}
	return e, nil
}
