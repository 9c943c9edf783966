package escapes

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	levels = strings.Repeat("/1", 100)                            // more than any other walk follows
	long   = "/" + strings.Repeat("n", 255)                       // as long as a name can be
	far    = strings.Repeat("/"+strings.Repeat("n", 250), 16)     // just short of the longest path
	beyond = strings.Split(strings.Repeat(long[1:]+"/", 17), "/") // past it
)

// deepActs are the rows of deep, long, odd and moving paths.
var deepActs = []escape{
	racingRenames(),
	{id: "P4", technique: "a hard link that was there before", reason: "It is another name of the file, and the policy judges names."},

	{id: "P11", technique: "100 levels below a denied directory", setup: deep("secret" + levels), do: openFile("secret" + levels),
		hook: "file_open", action: "read", subject: "secret" + levels + "/file", rule: "no-secret"},
	{id: "P11a", technique: "100 levels below an allowed directory stay allowed", setup: deep("desk" + levels), do: openFile("desk" + levels),
		hook: "file_open", action: "read", subject: "desk" + levels + "/file", rule: "work", end: "ok"},
	{id: "P12", technique: "the end of a deep path reads like an allowed one", setup: deep("secret" + root + "/look" + levels),
		do:   openFile("secret" + root + "/look" + levels),
		hook: "file_open", action: "read", subject: "secret" + root + "/look" + levels + "/file", rule: "no-secret"},
	{id: "P13", technique: "names of 255 bytes below a denied directory", setup: deep("secret" + strings.Repeat(long, 14)),
		do:   openFile("secret" + strings.Repeat(long, 14)),
		hook: "file_open", action: "read", subject: "secret" + strings.Repeat(long, 14) + "/file", rule: "no-secret"},
	{id: "P13a", technique: "names of 255 bytes below an allowed directory stay allowed", setup: deep("desk" + strings.Repeat(long, 14)),
		do:   openFile("desk" + strings.Repeat(long, 14)),
		hook: "file_open", action: "read", subject: "desk" + strings.Repeat(long, 14) + "/file", rule: "work", end: "ok"},
	{id: "P14", technique: "a path longer than 4,095 bytes", setup: func() error {
		return descend(func(fd int, name string) error { return unix.Mkdirat(fd, name, 0o755) }, func(fd int) error {
			fd, err := unix.Openat(fd, "file", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
			return errors.Join(err, unix.Close(fd))
		})
	}, do: func() error {
		return descend(func(int, string) error { return nil }, func(fd int) error { return openat(fd, "file") })
	}, hook: "file_open", action: "read", rule: "builtin/unresolvable"},
	{id: "P14a", technique: "a path of 4,034 bytes stays allowed", setup: deep("desk" + far), do: openFile("desk" + far),
		hook: "file_open", action: "read", subject: "desk" + far + "/file", rule: "work", end: "ok"},

	{id: "P15a", technique: "a symbolic link that turns to a secret while it is opened", do: swappedLink,
		hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P19", technique: "stat, readlink, getxattr", reason: "The language has no verb for them: that a file exists, its size and its attributes are visible."},

	{id: "P30a", technique: "execute a memfd that is named like an allowed program", do: func() error {
		fd, err := unix.MemfdCreate("/escapes/desk/bin/a", 0)
		if err != nil {
			return prepare(err)
		}
		self, err := os.ReadFile("/proc/self/exe")
		if err == nil {
			_, err = unix.Write(fd, self)
		}
		if err != nil {
			return prepare(err)
		}
		return unix.Exec(fmt.Sprintf("/proc/self/fd/%d", fd), []string{"a"}, []string{actorEnv + "=" + done})
	}, hook: "bprm_check_security", action: "exec", rule: "default"},
	{id: "P30b", technique: "a deleted file, and another one named after it", do: func() error {
		fd, err := unix.Open(root+"/desk/private/file", unix.O_PATH, 0)
		if err = errors.Join(err, unix.Unlink(root+"/desk/private/file")); err != nil {
			return prepare(err)
		}
		if err := open(root+"/desk/file (deleted)", unix.O_WRONLY|unix.O_CREAT); err != nil {
			return prepare(err)
		}
		return open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY)
	}, hook: "file_open", action: "read", subject: "desk/private/file", rule: "private"},
	{id: "P31a", technique: "a name that is no text", setup: deep("secret/\xff\xfe\x01"), do: openFile("secret/\xff\xfe\x01"),
		hook: "file_open", action: "read", subject: "secret/\xff\xfe\x01/file", rule: "no-secret"},
	{id: "P31b", technique: "dots and slashes", do: func() error { return open(root+"/desk/..//desk/./../secret//key", unix.O_RDONLY) },
		hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P35", technique: "make the gate fail and pass", test: "pkg/loader TestReleasedSlotDenies"},
}

// racingRenames opens a file that is below secret at every moment, while two
// directories above it move: k out of the chain, then the chain's top to desk
// and back. Who reads the lower name before and the upper one after finds a path
// that never was, below desk. The longer the chain, the more comes in between.
func racingRenames() escape {
	const chain = 400
	top, inner := root+"/secret/p", -1
	bottom := top + strings.Repeat("/1", chain)
	return escape{id: "P3", technique: "directories above a file are renamed while it is opened", setup: func() error {
		err := errors.Join(os.MkdirAll(bottom+"/k", 0o755), os.Mkdir(root+"/secret/q", 0o755), os.WriteFile(bottom+"/k/file", nil, 0o644))
		if inner >= 0 {
			unix.Close(inner)
		}
		var oerr error
		inner, oerr = unix.Open(bottom, unix.O_PATH|unix.O_CLOEXEC, 0)
		return errors.Join(err, oerr)
	}, hand: func() (int, error) {
		return unix.Open(bottom+"/k/file", unix.O_PATH|unix.O_CLOEXEC, 0)
	}, during: func() error {
		err := errors.Join(
			unix.Renameat(inner, "k", unix.AT_FDCWD, root+"/secret/q/k"), os.Rename(top, root+"/desk/p"),
			os.Rename(root+"/desk/p", top), unix.Renameat(unix.AT_FDCWD, root+"/secret/q/k", inner, "k"))
		time.Sleep(time.Millisecond) // a walk must have its chance
		return err
	}, do: func() error {
		fd, err := received()
		if err != nil {
			return err
		}
		return again(func() error { return open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY) })
	}, hook: "file_open", action: "read", rule: "no-secret"}
}

// deep makes a directory of the tree and a file in it.
func deep(dir string) func() error {
	return func() error {
		dir := filepath.Join(root, dir)
		return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(dir+"/file", nil, 0o644))
	}
}

func openFile(dir string) func() error {
	return func() error { return open(root+"/"+dir+"/file", unix.O_RDONLY) }
}

// descend goes down from desk, doing something about each name before, and something else at the end.
func descend(each func(fd int, name string) error, end func(fd int) error) error {
	fd, err := unix.Open(root+"/desk", unix.O_PATH|unix.O_CLOEXEC, 0)
	for _, name := range beyond[:len(beyond)-1] {
		if err == nil {
			err = each(fd, name)
		}
		if err != nil {
			return prepare(err)
		}
		var next int
		next, err = unix.Openat(fd, name, unix.O_PATH|unix.O_CLOEXEC, 0)
		unix.Close(fd)
		fd = next
	}
	if err != nil {
		return prepare(err)
	}
	return end(fd)
}

// rounds is how often what races is tried.
func rounds() int {
	if os.Getenv(longEnv) == "1" {
		return 20000
	}
	return 300
}

// again does something until it is not refused, but not for ever.
func again(do func() error) error {
	var err error
	for range rounds() {
		if err = do(); !errors.Is(err, unix.EACCES) {
			return err
		}
	}
	return err
}

// swappedLink opens a link that another thread turns from an allowed file to
// the key and back, until it has read the key or the link has turned often.
func swappedLink() error {
	turns, ended := make(chan struct{}), make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		defer close(turns)
		for range rounds() {
			for _, target := range []string{key, look} {
				next := root + "/desk/next"
				if err := errors.Join(os.Symlink(target, next), os.Rename(next, root+"/desk/l")); err != nil {
					ended <- err
					return
				}
				select {
				case turns <- struct{}{}: // while it opens
				case <-stop:
					return
				}
			}
		}
	}()
	defer close(stop)
	end := error(unix.EACCES)
	for range turns {
		for range 2 {
			b, err := os.ReadFile(root + "/desk/l")
			if err == nil && bytes.Contains(b, []byte("secret")) {
				return nil
			}
			if err != nil && !errors.Is(err, unix.EACCES) {
				end = err
			}
		}
	}
	select {
	case err := <-ended:
		return prepare(err)
	default:
		return end
	}
}
