package loader

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queue makes a message queue by its own system call, changes its times and removes it.
func queue() error {
	name, err := unix.BytePtrFromString("queue")
	if err != nil {
		return err
	}
	fd, _, no := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT, 0o600, 0, 0, 0)
	if no != 0 {
		return no
	}
	defer unix.Close(int(fd))
	if err := unix.Futimes(int(fd), []unix.Timeval{{Sec: 1}, {Sec: 1}}); err != nil {
		return err
	}
	if _, _, no := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0); no != 0 {
		return no
	}
	return nil
}

// TestMessageQueue: a queue that mq_open reaches lies in no directory of the
// process. So no rule with a path allows it, and one without does.
func TestMessageQueue(t *testing.T) {
	g := sharedGate(t)
	for _, tt := range []struct{ name, policy, end, rule string }{
		{"path", "version: 1\nbaseline: none\nrules:\n  - {id: all, action: file.*, path: \"/**\", decision: audit}\n", "EACCES", "default"},
		{"action", "version: 1\nbaseline: none\nrules:\n  - {id: write, action: file.write, decision: audit}\n", "ok", "write"},
		{"default", "version: 1\nbaseline: none\ndefaultAction: allow\n", "ok", "default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, tb := install(t, g, tt.policy)
			gr := newGroup(t, cgroupRoot)
			bind(t, g, gr, BindAny, n)
			c := startChild(t, gr)
			drain(t, g)
			c.want(tt.end, "queue")
			var found []*Event
			for _, e := range drain(t, g) {
				if e.Class == "no-path" {
					found = append(found, e)
				}
			}
			if len(found) == 0 {
				t.Fatal("no event about the queue")
			}
			for _, e := range found {
				if rule := tb.Rules[e.Rule].Name; rule != tt.rule || (e.Verdict == Allow) != (tt.end == "ok") {
					t.Errorf("%s by rule %s, verdict %d; want %s", e.Hook, rule, e.Verdict, tt.rule)
				}
			}
		})
	}
}
