package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// Protected tells the names of the protected directories, for the records about them.
func (r *Recorder) Protected(dirs []string) error {
	for _, d := range dirs {
		fi, err := os.Stat(d)
		if err != nil {
			return fmt.Errorf("stat protected directory: %w", err)
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			r.dirs[st.Ino] = d
		}
	}
	return nil
}

// touch is the record of what a process that nothing gates did to something of ours.
func (r *Recorder) touch(e *loader.Event) *audit.Guard {
	g := &audit.Guard{
		Verdict: audit.Allow, Hook: e.Hook, CPU: e.CPU, KSeq: e.Seq, KernelTime: uint64(e.Time),
		Object: e.Touch.Object.String(), ObjectID: e.Touch.ID, Subject: e.Subject, Detail: e.Requested,
		Why: e.Touch.Why.String(), Held: e.Touch.Held, Errno: uint16(-e.Errno), CgroupID: e.Cgroup,
		Process: audit.Process{
			PID: e.PID, TID: e.TID, StartTime: uint64(e.StartTime), UID: e.UID, GID: e.GID, Comm: []byte(e.Comm),
		},
		Parent: audit.Parent{PID: e.Parent.PID, StartTime: uint64(e.Parent.StartTime), Comm: []byte(e.Parent.Comm)},
	}
	if e.Verdict == loader.Deny {
		g.Verdict = audit.Deny
	}
	switch e.Touch.Object {
	case loader.ObjectFile, loader.ObjectMount, loader.ObjectSocket:
		// Between the directory and the name there may be others.
		if dir := r.dirs[e.Touch.ID]; dir != "" && filepath.Base(dir) != string(e.Subject) {
			g.Subject = append([]byte(dir+"/"), e.Subject...)
		}
	}
	return g
}

// held says how many touches were counted only since the record before.
func (r *Recorder) held(cpu uint32, total uint64) error {
	n := total - r.guardHeld[cpu]
	if n == 0 || total < r.guardHeld[cpu] {
		return nil
	}
	if err := r.log.Append(&audit.GuardHeld{CPU: cpu, Count: n}); err != nil && !errors.Is(err, audit.ErrQueueFull) {
		return fmt.Errorf("append counted touches: %w", err)
	} else if err == nil {
		r.guardHeld[cpu] = total
	}
	return nil
}
