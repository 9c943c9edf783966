package loader

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// apart does something in a thread that has namespaces of its own and ends with it.
func apart(flags int, do func() error) string {
	done := make(chan string)
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread goes with the goroutine
		if err := unix.Unshare(flags); err != nil {
			done <- "unshare: " + end(err)
			return
		}
		done <- end(do())
	}()
	return <-done
}

// enter opens a path in the mount namespace of a process, 0 for its own.
func enter(pid int, path string) string {
	if pid == 0 {
		pid = unix.Getpid()
	}
	return apart(unix.CLONE_FS, func() error {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Setns(fd, unix.CLONE_NEWNS); err != nil {
			return err
		}
		return openClose(unix.AT_FDCWD, path, unix.O_RDONLY)
	})
}
