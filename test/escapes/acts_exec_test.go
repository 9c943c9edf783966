package escapes

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// execActs are the rows of execution.
var execActs = []escape{
	{id: "X3", technique: "execute from memory", do: execMemfd,
		hook: "bprm_check_security", action: "exec", rule: "default"},
	{id: "X5", technique: "map a written file executable", do: func() error {
		fd, err := unix.Open(file, unix.O_RDONLY, 0)
		if err != nil {
			return prepare(err)
		}
		_, err = unix.Mmap(fd, 0, 1, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
		return err
	}, hook: "mmap_file", action: "map", subject: "work/file", rule: "default"},
}

func execMemfd() error {
	fd, err := unix.MemfdCreate("x", 0)
	if err != nil {
		return prepare(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return prepare(err)
	}
	if _, err := unix.Write(fd, self); err != nil {
		return prepare(err)
	}
	var argv, envp [2]*byte
	name, env := [2]byte{'x'}, []byte(actorEnv+"="+done+"\x00")
	argv[0], envp[0] = &name[0], &env[0]
	empty := [1]byte{}
	_, _, no := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])), unix.AT_EMPTY_PATH, 0)
	return no
}
