package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// deeds are what the program of TestObserve does, each to a file of its own.
// Those whose directory is /deny its policy denies, and some below /out.
var deeds = []string{
	"open /out/read", "open /deny/read", "open /deny/read", "open /deny/read", "open /deny/list",
	"touch /deny/created", "open-write /deny/write", "open-both /deny/both",
	"mkdir /deny/mkdir", "rmdir /deny/rmdir", "unlink /deny/unlink", "symlink /nowhere /deny/symlink", "mkfifo /deny/fifo",
	"truncate /deny/truncate", "chmod /deny/chmod", "chown /deny/chown", "utimes /deny/utimes",
	"rename /deny/old /out/new", "rename /out/a /out/b", "link /deny/linked /out/link", "touch /out/created",
	"map /out/library", "mprotect /out/library2",
	"exec /deny/busybox true", "exec /out/busybox true", "exec /out/busybox true more", "exec /out/script", "steer /out/named",
	"send 127.0.0.1:9", "mount /out/mount",
}

// much does them all, says how each ended, and then what the files are like.
func much() int {
	for _, d := range deeds {
		fmt.Printf("%s: %s\n", d, errnoOf(deed(strings.Fields(d))))
	}
	// What it may list is below directories that it could not: by names that it knows.
	for _, name := range []string{
		"/deny/created", "/deny/mkdir", "/deny/rmdir", "/deny/unlink", "/deny/symlink", "/deny/fifo", "/deny/truncate", "/deny/chmod",
		"/deny/chown", "/deny/utimes", "/deny/old", "/deny/linked", "/out/new", "/out/a", "/out/b", "/out/b/secret/f", "/out/link",
		"/out/created",
	} {
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			fmt.Printf("%s: %s\n", name, errnoOf(err))
			continue
		}
		fmt.Printf("%s: mode %o, owner %d, %d links, %d bytes\n", name, st.Mode, st.Uid, st.Nlink, st.Size)
	}
	return 0
}

func errnoOf(err error) string {
	var no syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &no):
		return unix.ErrnoName(no)
	}
	return err.Error()
}

func deed(w []string) error {
	open := func(flags int) error {
		fd, err := unix.Open(w[1], flags|unix.O_CLOEXEC, 0o644)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	switch w[0] {
	case "open":
		return open(unix.O_RDONLY)
	case "open-write":
		return open(unix.O_WRONLY)
	case "open-both":
		return open(unix.O_RDWR)
	case "touch":
		return open(unix.O_WRONLY | unix.O_CREAT)
	case "mkdir":
		return unix.Mkdir(w[1], 0o755)
	case "rmdir":
		return unix.Rmdir(w[1])
	case "unlink":
		return unix.Unlink(w[1])
	case "symlink":
		return unix.Symlink(w[1], w[2])
	case "mkfifo":
		return unix.Mkfifo(w[1], 0o644)
	case "truncate":
		return unix.Truncate(w[1], 3)
	case "chmod":
		return unix.Chmod(w[1], 0o600)
	case "chown":
		return unix.Chown(w[1], 1, 1)
	case "utimes":
		return unix.UtimesNanoAt(unix.AT_FDCWD, w[1], []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0)
	case "rename":
		return unix.Rename(w[1], w[2])
	case "link":
		return unix.Link(w[1], w[2])
	case "map", "mprotect":
		return mapCode(w[1], w[0] == "mprotect")
	case "exec":
		return spawnWait(w[1], w[1:], nil)
	case "steer":
		return spawnWait(w[1], []string{"busybox", "true"}, []string{"LD_PRELOAD=/x"})
	case "send":
		c, err := net.Dial("udp", w[1])
		if err == nil {
			c.Close()
		}
		return err
	case "mount":
		return unix.Mount("tmpfs", w[1], "tmpfs", 0, "")
	}
	return errors.New("unknown")
}

func mapCode(name string, later bool) error {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.New("prepare: " + err.Error())
	}
	defer unix.Close(fd)
	prot := unix.PROT_READ | unix.PROT_EXEC
	if later {
		prot = unix.PROT_READ
	}
	b, err := unix.Mmap(fd, 0, 4096, prot, unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer unix.Munmap(b)
	if later {
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
	}
	return nil
}

func spawnWait(path string, argv, env []string) error {
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: env, Files: []uintptr{0, 1, 2}})
	if err != nil {
		return err
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return err
	}
	if ws.Signaled() {
		return errors.New(unix.SignalName(ws.Signal()))
	}
	if ws.ExitStatus() != 0 {
		return fmt.Errorf("exit %d", ws.ExitStatus())
	}
	return nil
}

// muchFiles lays out below root what the deeds are done to, anew.
func muchFiles(root string) error {
	box, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return err
	}
	for _, dir := range []string{"/deny", "/out"} {
		if err := os.RemoveAll(root + dir); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/deny/list", "/deny/rmdir", "/deny/shell", "/out/a/secret", "/out/mount"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{
		"/deny/busybox": string(box), "/deny/shell/busybox": string(box), "/out/busybox": string(box), "/out/named": string(box),
		"/out/script": "#!/deny/shell/busybox true\n", "/out/library": strings.Repeat("x", 4096), "/out/library2": strings.Repeat("x", 4096),
		"/out/read": "text", "/out/a/secret/f": "text",
	}
	for _, name := range []string{"read", "write", "both", "unlink", "truncate", "chmod", "chown", "utimes", "old", "linked"} {
		files["/deny/"+name] = "some text"
	}
	for name, text := range files {
		var mode fs.FileMode = 0o755
		if filepath.Base(name) == "chmod" {
			mode = 0o644
		}
		if err := os.WriteFile(root+name, []byte(text), mode); err != nil {
			return err
		}
	}
	return nil
}
