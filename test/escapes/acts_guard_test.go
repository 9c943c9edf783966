package escapes

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Where the agent of these tests keeps what it would: a log and state.
const (
	keepAbove = "/escapes-agent"
	keep      = keepAbove + "/log"
	segment   = keep + "/segment"
)

// layKeep makes the directory that newSuite has protected.
func layKeep() error {
	if err := os.MkdirAll(keep, 0o755); err != nil {
		return err
	}
	return os.WriteFile(segment, []byte("a record\n"), 0o644)
}

// guardActs are the rows of what enforcement and its records stand on, under a
// policy that allows every file.
var guardActs = []escape{
	{id: "A1k", technique: "read the audit log, where every file is allowed", rules: anyFile, setup: layKeep, do: opened(segment, unix.O_RDONLY),
		hook: "file_open", action: "system", subject: "segment", rule: "builtin/self-protection"},
	{id: "A1l", technique: "write to the audit log", rules: anyFile, setup: layKeep, do: opened(segment, unix.O_WRONLY|unix.O_APPEND),
		hook: "file_open", action: "system", subject: "segment", rule: "builtin/self-protection"},
	{id: "A1m", technique: "cut the audit log short", rules: anyFile, setup: layKeep, do: func() error { return unix.Truncate(segment, 1) },
		hook: "inode_setattr", action: "system", subject: "segment", rule: "builtin/self-protection"},
	{id: "A1n", technique: "remove the audit log", rules: anyFile, setup: layKeep, do: func() error { return unix.Unlink(segment) },
		hook: "inode_unlink", action: "system", subject: "segment", rule: "builtin/self-protection"},
	{id: "A1o", technique: "move the directory above the log away", rules: anyFile, setup: func() error {
		return errors.Join(os.RemoveAll(keepAbove+"2"), layKeep())
	}, do: func() error {
		if err := unix.Rename(keepAbove, keepAbove+"2"); err != nil {
			return err
		}
		return prepare(unix.Rename(keepAbove+"2", keepAbove))
	}, hook: "inode_rename", action: "system", subject: filepath.Base(keepAbove), rule: "builtin/self-protection"},
	{id: "A1p", technique: "a hard link to the log", rules: anyFile, setup: func() error {
		return errors.Join(os.RemoveAll("/escapes-link"), layKeep())
	}, do: func() error { return unix.Link(segment, "/escapes-link") },
		hook: "inode_link", action: "system", subject: "segment", rule: "builtin/self-protection", left: "../escapes-link"},
	{id: "A1q", technique: "pins, log and state from another container with all capabilities", test: "pkg/loader TestProtected"},
	{id: "A1r", technique: "flood the log with attempts on it", test: "pkg/loader TestTouchRate"},
	{id: "A2c", technique: "our maps, programs and links by number and by name, from another container with all capabilities", test: "pkg/loader TestProtected"},
	{id: "A2d", technique: "our maps while no agent is alive", test: "pkg/loader TestTakeover"},
	{id: "A4a", technique: "stop the agent", rules: anyFile, do: func() error { return unix.Kill(os.Getppid(), unix.SIGCONT) },
		hook: "task_kill", action: "system", rule: "builtin/signal"},
	{id: "A4b", technique: "the agent's memory", rules: anyFile, do: func() error { return readOther(os.Getppid()) },
		hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace", end: "EPERM"},
	{id: "A4c", technique: "trace, signal or starve the agent from another container with all capabilities", test: "pkg/loader TestProtected"},
	{id: "A4d", technique: "take the agent's place while it lives", test: "pkg/loader TestTakeover"},
}
