package cli

import (
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stormAct opens a file that is denied so many times in a tight loop. It returns 0
// if every one was refused.
func stormAct(times, path string) int {
	n, err := strconv.Atoi(times)
	name := ptr(path)
	if err != nil {
		return 99
	}
	for range n {
		if _, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(name)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0); errno != unix.EACCES {
			return 1
		}
	}
	return 0
}

// TestStorm: of denials in a tight loop, faster than a disk, every one is in the
// log or declared lost, and the balance is zero.
func TestStorm(t *testing.T) {
	opens := 10_000
	if long() {
		opens = 100_000
	}
	p := newPlace(t)
	expect(t, 0, p.run(nil, p.act, "storm", strconv.Itoa(opens), p.secret))
	r := p.verify(0)
	b := r.Balance
	if b.Unexplained != 0 || b.Open != 0 || b.Repeated != 0 || b.Seen+b.Declared < uint64(opens) {
		t.Errorf("%d opens, %+v", opens, b)
	}
	t.Logf("%d denied opens: %d decisions recorded, %d declared lost, none unexplained", opens, b.Seen, b.Declared)
}
