package escapes

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// uringParams is struct io_uring_params of include/uapi/linux/io_uring.h.
type uringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wqFd uint32
	reserved                                               [3]uint32
	sq                                                     struct {
		head, tail, mask, entries, flags, dropped, array, r uint32
		user                                                uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, r uint32
		user                                                uint64
	}
}

// uringEntry is struct io_uring_sqe.
type uringEntry struct {
	op, flags      uint8
	prio           uint16
	fd             int32
	off, addr      uint64
	length, opFlag uint32
	user           uint64
	buf, personal  uint16
	splice         uint32
	addr3, pad     uint64
}

const (
	opOpenat     = 18
	opUnlinkat   = 36
	uringPoll    = 1 << 1 // a thread of the kernel's takes what is submitted
	uringWake    = 1 << 1 // it may be asleep
	uringAsync   = 1 << 4 // by a worker thread
	offSQ        = 0
	offSQEs      = 0x10000000
	getEvents    = 1
	uringEntries = 4
)

// uring submits one entry to a ring and returns how it ended.
func uring(e uringEntry, setup uint32) error {
	return uringWith(setup, func(int) (uringEntry, error) { return e, nil })
}

// uringWith submits the entry that make gives, which is told the ring.
func uringWith(setup uint32, make func(ring int) (uringEntry, error)) error {
	p := uringParams{flags: setup}
	fd, _, no := unix.Syscall(unix.SYS_IO_URING_SETUP, uringEntries, uintptr(unsafe.Pointer(&p)), 0)
	if no != 0 {
		return prepare(no)
	}
	ring, err := unix.Mmap(int(fd), offSQ, int(max(p.cq.cqes+p.cqEntries*16, p.sq.array+p.sqEntries*4)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return prepare(err)
	}
	entries, err := unix.Mmap(int(fd), offSQEs, uringEntries*64, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return prepare(err)
	}
	e, err := make(int(fd))
	if err != nil {
		return prepare(err)
	}
	*(*uringEntry)(unsafe.Pointer(&entries[0])) = e
	*(*uint32)(unsafe.Pointer(&ring[p.sq.array])) = 0
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&ring[p.sq.tail])), 1)
	flags := uintptr(getEvents)
	if setup&uringPoll != 0 {
		flags |= uringWake
	}
	if n, _, no := unix.Syscall6(unix.SYS_IO_URING_ENTER, fd, 1, 1, flags, 0, 0); no != 0 || n != 1 {
		return prepare(fmt.Errorf("io_uring_enter: %d, %w", n, no))
	}
	if result := *(*int32)(unsafe.Pointer(&ring[p.cq.cqes+8])); result < 0 {
		return unix.Errno(-result)
	}
	return nil
}

func uringUnlink() error {
	path, err := unix.BytePtrFromString(look)
	if err != nil {
		return prepare(err)
	}
	return uring(uringEntry{op: opUnlinkat, flags: uringAsync, fd: unix.AT_FDCWD, addr: uint64(uintptr(unsafe.Pointer(path)))}, 0)
}

// uringOpen opens the key, by a worker thread or by one that polls the ring.
func uringOpen(setup uint32, flags uint8) func() error {
	return func() error {
		path, err := unix.BytePtrFromString(key)
		if err != nil {
			return prepare(err)
		}
		return uring(uringEntry{op: opOpenat, flags: flags, fd: unix.AT_FDCWD, addr: uint64(uintptr(unsafe.Pointer(path)))}, setup)
	}
}

// uringCommand sends /dev/null a command, which takes any.
func uringCommand() error {
	const opCommand = 46
	return withFile("/dev/null", func(fd int) error { return uring(uringEntry{op: opCommand, fd: int32(fd)}, 0) })
}

// uringPersonality opens a file by credentials that are registered with the ring.
func uringPersonality() error {
	const registerPersonality = 9
	path, err := unix.BytePtrFromString(file)
	if err != nil {
		return prepare(err)
	}
	return uringWith(0, func(ring int) (uringEntry, error) {
		id, _, no := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(ring), registerPersonality, 0, 0, 0, 0)
		return uringEntry{op: opOpenat, fd: unix.AT_FDCWD, addr: uint64(uintptr(unsafe.Pointer(path))), personal: uint16(id)}, errno(no)
	})
}

func noUringNull() string {
	if b, err := os.ReadFile("/sys/kernel/btf/vmlinux"); err != nil || !bytes.Contains(b, []byte("\x00uring_cmd_null\x00")) {
		return "commands by io_uring to /dev/null"
	}
	return ""
}
