package escapes

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// says is what every program of the acts prints when it runs.
const says = "END ok\n"

// program is an ELF file for x86-64 that says so and ends, without libraries,
// loaded at an address. With an interpreter it is that one which says it.
func program(at uint64, interpreter string) []byte {
	const head, entry = 64, 56
	code := []byte{
		0xb8, 1, 0, 0, 0, // write
		0xbf, 1, 0, 0, 0, // to standard output
		0x48, 0x8d, 0x35, 16, 0, 0, 0, // the text behind the code
		0xba, byte(len(says)), 0, 0, 0,
		0x0f, 0x05,
		0xb8, 231, 0, 0, 0, // exit_group
		0x31, 0xff,
		0x0f, 0x05,
	}
	code = append(code, says...)
	var heads [][]byte
	size := uint64(head + 2*entry + len(code) + len(interpreter) + 1)
	put := func(kind, flags uint32, off, n uint64) {
		var b []byte
		b = binary.LittleEndian.AppendUint32(b, kind)
		b = binary.LittleEndian.AppendUint32(b, flags)
		for _, v := range []uint64{off, at + off, at + off, n, n, 0x1000} {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
		heads = append(heads, b)
	}
	if interpreter != "" {
		put(3, 4, head+2*entry+uint64(len(code)), uint64(len(interpreter)+1)) // PT_INTERP
	}
	put(1, 7, 0, size) // PT_LOAD; writable, since kernels before 6.5 clear what is behind an interpreter
	out := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	for _, v := range []uint16{2, 62} { // ET_EXEC, x86-64
		out = binary.LittleEndian.AppendUint16(out, v)
	}
	out = binary.LittleEndian.AppendUint32(out, 1)
	for _, v := range []uint64{at + head + 2*entry, head, 0} {
		out = binary.LittleEndian.AppendUint64(out, v)
	}
	out = binary.LittleEndian.AppendUint32(out, 0)
	for _, v := range []uint16{head, entry, uint16(len(heads)), 0, 0, 0} {
		out = binary.LittleEndian.AppendUint16(out, v)
	}
	for _, h := range heads {
		out = append(out, h...)
	}
	out = append(out, make([]byte, head+2*entry-len(out))...)
	return append(append(append(out, code...), interpreter...), 0)
}

// static is a program that needs nothing else.
func static() string { return string(program(0x400000, "")) }

// files writes files, executable, into the tree. What begins with "data/" is
// copied from there: see the program "files".
func files(of map[string]string) error {
	for name, text := range of {
		b := []byte(text)
		if strings.HasPrefix(text, "data/") {
			var err error
			if b, err = os.ReadFile(text); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(root, name), b, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// execute replaces this process by a program, which says how it ended.
func execute(path string, args ...string) error {
	return unix.Exec(path, append([]string{filepath.Base(path)}, args...), nil)
}

// executeAt is execute by a descriptor.
func executeAt(dir int, path string, flags int) error {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return prepare(err)
	}
	arg := []byte("x\x00")
	argv, envp := [2]*byte{&arg[0]}, [1]*byte{}
	return execveat(dir, p, &argv[0], &envp[0], flags)
}

// start runs a program in a process of its own and tells from how that ended,
// or from what it printed, whether the kernel refused it something.
func start(env []string, path string, args ...string) error {
	cmd := exec.Command(path, args...)
	cmd.Env = append([]string{}, env...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, &out, &out
	err := cmd.Run()
	var status *exec.ExitError
	switch ws := cmd.ProcessState; {
	case strings.Contains(out.String(), says):
		return nil
	case err != nil && !errors.As(err, &status):
		return err
	case ws != nil && ws.Sys().(syscall.WaitStatus).Signaled():
		return signaled(ws.Sys().(syscall.WaitStatus).Signal())
	case strings.Contains(out.String(), "Permission denied"), strings.Contains(out.String(), "failed to map segment"):
		return unix.EACCES
	}
	return errors.New("it said " + out.String())
}

// signaled is the end of a process by a signal.
type signaled syscall.Signal

func (s signaled) Error() string { return unix.SignalName(syscall.Signal(s)) }
