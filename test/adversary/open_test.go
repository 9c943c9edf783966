package adversary

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	acts["survive"] = func(w []string) error { return survive(w[0], w[1]) }
	acts["slay"] = func(w []string) error { return slay(w[0], w[1]) }
	acts["interp"] = func(w []string) error { return interp(w[0], w[1]) }
	acts["queue"] = func([]string) error { return queue() }
	acts["exhaust"] = func(w []string) error { return exhaust(w[0]) }
}

func wait(path string, d time.Duration) string {
	for stop := time.Now().Add(d); time.Now().Before(stop); time.Sleep(100 * time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			return string(b)
		}
	}
	return ""
}

// A child born into another cgroup outlives the run, and with it the gate.
func TestSurvivor(t *testing.T) {
	e := lay(t, "")
	out := e.dir + "/job/out"
	e.process(t, nil, "--", e.adv, "survive", e.secret, out)
	if s := wait(out, 3*time.Second); s == "read\n" {
		t.Errorf("a child outside the run's cgroup read the secret after the run")
	}
}

// The gate must not end because the gated program ends those that hold it.
func TestSlay(t *testing.T) {
	e := lay(t, "")
	out := e.dir + "/job/out"
	e.process(t, nil, "--", e.adv, "slay", e.secret, out)
	if s := wait(out, 20*time.Second); strings.Contains(s, "read ok") {
		t.Errorf("the program killed guard and agent and went on ungated: %s", s)
	}
}

// A program that may not run does not run as another's interpreter.
func TestInterpreter(t *testing.T) {
	e := lay(t, "  - action: process.exec\n    path: \"/job/**\"\n    decision: allow\n")
	root := container(t, e)
	copyTo(t, root+"/opt/denied")
	ungated(t, func(c *exec.Cmd) { c.Env = append(os.Environ(), "ADV_FREE=1") }, e.adv, "interp", e.adv, e.dir+"/job/x")
	if s := end(t, e.run(t, root, nil, "/usr/local/bin/adv", "interp", "/opt/denied", "/job/x")); s == "ok" {
		t.Error("the denied program ran")
	}
}

// The open flag by which exec is known cannot be lent to another call.
func TestExecFlag(t *testing.T) {
	e := lay(t, "")
	ungated(t, nil, e.adv, "queue")
	if s := end(t, e.run(t, "", nil, e.adv, "queue")); s == "ok" {
		t.Error("message queue opened past file_open")
	}
}

// Busy threads of one program do not make the gate refuse others.
func TestScratch(t *testing.T) {
	e := lay(t, "")
	if s := end(t, e.run(t, "", nil, e.adv, "exhaust", e.dir+"/job")); s != "ok" {
		t.Errorf("opens were refused for want of a scratch slot: %s", s)
	}
}

type cloneArgs struct{ flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls, setTid, setTidSize, cgroup uint64 }

// survive leaves a child in the root cgroup that tries to read secret until the run is long over.
func survive(secret, out string) error {
	dir, err := unix.Open("/sys/fs/cgroup", unix.O_PATH, 0)
	if err != nil {
		return prepare(err)
	}
	fd, err := unix.Open(out, unix.O_WRONLY|unix.O_CREAT, 0o644)
	if err != nil {
		return prepare(err)
	}
	path, _ := unix.BytePtrFromString(secret)
	okay := []byte("read\n")
	ts := unix.Timespec{Nsec: 100_000_000}
	a := cloneArgs{flags: 0x200000000, exitSignal: uint64(unix.SIGCHLD), cgroup: uint64(dir)}
	cwd := unix.AT_FDCWD
	pid, _, no := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a), 0)
	if no == 0 && pid == 0 {
		for range 600 {
			_, _, no := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(cwd), uintptr(unsafe.Pointer(path)), unix.O_RDONLY, 0, 0, 0)
			if no == 0 {
				syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&okay[0])), uintptr(len(okay)))
				break
			}
			syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
		}
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	if no != 0 {
		return no
	}
	return nil
}

// slay kills the run's guard and its agent, then reads.
func slay(secret, out string) error {
	agent, self := os.Getppid(), os.Getpid()
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return prepare(err)
	}
	for p := self - 1; p > agent; p-- {
		_ = unix.Kill(p, unix.SIGKILL)
	}
	kerr := unix.Kill(agent, unix.SIGKILL)
	var fd int
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if fd, err = unix.Open(secret, unix.O_RDONLY, 0); err == nil {
			unix.Close(fd)
			break
		}
	}
	fmt.Fprintf(f, "kill %v, read %s\n", outcome(kerr), outcome(err))
	return err
}

// interp runs a program that it may not, as the interpreter of one that it may.
func interp(denied, own string) error {
	var b bytes.Buffer
	le := binary.LittleEndian
	name := append([]byte(denied), 0)
	const base = 0x60000000
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	for _, v := range []any{uint16(2), uint16(62), uint32(1), uint64(base + 0x100), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(2), uint16(0), uint16(0), uint16(0)} {
		_ = binary.Write(&b, le, v)
	}
	ph := func(typ, flags uint32, off, addr, size uint64) {
		for _, v := range []any{typ, flags, off, addr, addr, size, size, uint64(4096)} {
			_ = binary.Write(&b, le, v)
		}
	}
	ph(3, 4, 0x200, base+0x200, uint64(len(name)))
	ph(1, 5, 0, base, 0x1000)
	img := make([]byte, 0x1000)
	copy(img, b.Bytes())
	copy(img[0x200:], name)
	if err := os.WriteFile(own, img, 0o755); err != nil {
		return prepare(err)
	}
	if no := start(denied); !errors.Is(no, syscall.EACCES) && os.Getenv("ADV_FREE") == "" {
		return errors.New("prepare: the direct exec was not denied")
	}
	return start(own)
}

func start(path string) error {
	pid, err := syscall.ForkExec(path, []string{actor, "read", "/"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Env: os.Environ()})
	if err != nil {
		return err
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return prepare(err)
	}
	if !ws.Exited() || ws.ExitStatus() != 0 {
		return fmt.Errorf("ended %v", ws)
	}
	return nil
}

// queue opens a message queue; then again with the bit that only the kernel's exec sets.
func queue() error {
	open := func(bit uintptr) syscall.Errno {
		name, _ := unix.BytePtrFromString(fmt.Sprintf("q%d", bit))
		_, _, no := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT|bit, 0o600, 0, 0, 0)
		return no
	}
	plain, odd := open(0), open(0x20)
	fmt.Println("PLAIN", outcome2(plain))
	fmt.Println("ODD", outcome2(odd))
	if odd != 0 {
		return odd
	}
	return nil
}

func outcome2(no syscall.Errno) string {
	if no == 0 {
		return "ok"
	}
	return unix.ErrnoName(no)
}

// exhaust opens a long path from many threads and a short one from this.
func exhaust(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return prepare(err)
	}
	if err := os.WriteFile("short", nil, 0o644); err != nil {
		return prepare(err)
	}
	comp := strings.Repeat("x", 250)
	for range 16 {
		if err := os.Mkdir(comp, 0o755); err != nil && !os.IsExist(err) {
			return prepare(err)
		}
		if err := os.Chdir(comp); err != nil {
			return prepare(err)
		}
	}
	if err := os.WriteFile("f", nil, 0o644); err != nil {
		return prepare(err)
	}
	var opens, refused, shortRefused atomic.Int64
	for range 48 {
		go func() {
			runtime.LockOSThread()
			for {
				fd, err := unix.Open("f", unix.O_RDONLY, 0)
				if err != nil {
					refused.Add(1)
					continue
				}
				opens.Add(1)
				unix.Close(fd)
			}
		}()
	}
	short := dir + "/short"
	n := 0
	busy := 8 * time.Second
	if long() {
		busy = 60 * time.Second
	}
	for end := time.Now().Add(busy); time.Now().Before(end); n++ {
		fd, err := unix.Open(short, unix.O_RDONLY, 0)
		if err != nil {
			shortRefused.Add(1)
			continue
		}
		unix.Close(fd)
	}
	fmt.Printf("OPENS %d refused %d, short %d refused %d\n", opens.Load(), refused.Load(), n, shortRefused.Load())
	if shortRefused.Load()+refused.Load() > 0 {
		return syscall.EACCES
	}
	return nil
}

// prepare hides an errno: what prepares an attack must not pass for its end.
func prepare(err error) error { return errors.New("prepare: " + err.Error()) }
