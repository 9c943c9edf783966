package escapes

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	secretProgram = root + "/secret/program"
	lookProgram   = root + "/look/program" // may be read, not executed
	workProgram   = root + "/desk/bin/program"
	box           = "/bin/busybox"
)

// programs puts the same program where it may be run, read, and neither.
func programs() error {
	return files(map[string]string{"secret/program": static(), "look/program": static(), "desk/bin/program": static()})
}

func linked() error {
	return files(map[string]string{"desk/bin/ld.so": "data/ld.so", "desk/ld.so": "data/ld.so",
		"look/dynamic": "data/dynamic", "desk/bin/quiet": "data/quiet", "look/library.so": "data/library.so"})
}

// commands is the policy of those acts that are about arguments.
const commands = `
version: 1
baseline: none
rules:
  - {id: box, action: process.exec, command: "busybox {echo,env} **", decision: allow}
  - {id: files, action: file.read, path: /**, decision: allow}
`

// byName is a policy that names an executable.
const byName = `
version: 1
baseline: none
rules:
  - {id: named, action: file.read, path: /escapes/secret/**, exe: /escapes/desk/bin/*, decision: allow}
  - {id: run, action: process.exec, path: /escapes/desk/bin/*, decision: allow}
`

// anyFile is a policy that lets files be read and written wherever they are.
const anyFile = `
version: 1
baseline: none
rules:
  - {id: files, action: file.*, path: /**, decision: allow}
  - {id: run, action: process.exec, path: /escapes/desk/bin/**, decision: allow}
`

// execActs are the rows of execution.
var execActs = []escape{
	{id: "X1a", technique: "execute the dynamic loader, with the program as its argument", setup: linked, do: func() error {
		return start(nil, root+"/desk/ld.so", root+"/look/dynamic")
	}, hook: "bprm_check_security", action: "exec", subject: "desk/ld.so", rule: "default"},
	{id: "X1b", technique: "have an allowed dynamic loader load a program that may only be read", setup: linked, do: func() error {
		return start(nil, root+"/desk/bin/ld.so", root+"/look/dynamic")
	}, hook: "mmap_file", action: "map", subject: "look/dynamic", rule: "default"},
	{id: "X2a", technique: "copy of a program that may only be read", setup: programs, do: func() error {
		b, err := os.ReadFile(lookProgram)
		if err != nil {
			return prepare(err)
		}
		if err := os.WriteFile(root+"/desk/copy", b, 0o755); err != nil {
			return prepare(err)
		}
		return execute(root + "/desk/copy")
	}, hook: "bprm_check_security", action: "exec", subject: "desk/copy", rule: "default"},
	{id: "X2b", technique: "hard link to such a program where programs may be run", setup: programs, do: func() error {
		if err := unix.Link(lookProgram, root+"/desk/bin/link"); err != nil {
			return err
		}
		return execute(root + "/desk/bin/link")
	}, hook: "path_link", action: "write", subject: "look/program", rule: "default", left: "desk/bin/link"},
	{id: "X2c", technique: "copy to where the policy lets files be written and run",
		reason: "what the policy allows in both ways is allowed: lint reports a path that can be written and executed"},
	{id: "X3a", technique: "execute from memory", do: execMemfd,
		hook: "bprm_check_security", action: "exec", rule: "default"},
	{id: "X3b", technique: "execute a deleted program through its descriptor", setup: programs, do: func() error {
		fd, err := unix.Open(workProgram, unix.O_PATH, 0)
		if err != nil {
			return prepare(err)
		}
		if err := unix.Unlink(workProgram); err != nil {
			return prepare(err)
		}
		return executeAt(fd, "", unix.AT_EMPTY_PATH)
	}, hook: "bprm_check_security", action: "exec", rule: "default"},
	{id: "X3c", technique: "execveat by the descriptor of its directory", setup: programs, do: func() error {
		fd, err := unix.Open(root+"/secret", unix.O_PATH, 0)
		if err != nil {
			return prepare(err)
		}
		return executeAt(fd, "program", 0)
	}, hook: "bprm_check_security", action: "exec", subject: "secret/program", rule: "no-secret"},
	{id: "X3d", technique: "execute through /proc/self/fd", setup: programs, do: func() error {
		fd, err := unix.Open(secretProgram, unix.O_PATH, 0)
		if err != nil {
			return prepare(err)
		}
		return execute(fmt.Sprintf("/proc/self/fd/%d", fd))
	}, hook: "bprm_check_security", action: "exec", subject: "secret/program", rule: "no-secret"},
	{id: "X4a", technique: "a script for an allowed interpreter", setup: func() error {
		return errors.Join(programs(), files(map[string]string{"look/script": "#!" + workProgram + "\n"}))
	}, do: func() error { return execute(root + "/look/script") },
		hook: "bprm_check_security", action: "exec", subject: "look/script", rule: "default"},
	{id: "X4b", technique: "an allowed script for another interpreter", setup: func() error {
		return errors.Join(programs(), files(map[string]string{"desk/bin/script": "#!" + secretProgram + "\n"}))
	}, do: func() error { return execute(root + "/desk/bin/script") },
		hook: "bprm_check_security", action: "exec", subject: "secret/program", rule: "no-secret"},
	{id: "X4c", technique: "the interpreter of the interpreter", setup: func() error {
		return errors.Join(programs(), files(map[string]string{"desk/bin/outer": "#!" + root + "/desk/bin/inner\n", "desk/bin/inner": "#!" + secretProgram + "\n"}))
	}, do: func() error { return execute(root + "/desk/bin/outer") },
		hook: "bprm_check_security", action: "exec", subject: "secret/program", rule: "no-secret"},
	{id: "X4d", technique: "a script as the argument of an allowed interpreter", setup: func() error {
		return files(map[string]string{"desk/bin/busybox": busybox(), "secret/script": "echo END ok\n"})
	}, do: func() error { return start(nil, root+"/desk/bin/busybox", "sh", root+"/secret/script") },
		hook: "file_open", action: "read", subject: "secret/script", rule: "no-secret"},
	{id: "X4e", technique: "code on an interpreter's standard input or command line",
		reason: "no hook sees what a program reads from a pipe or its arguments; it stays under the rules, and lint reports an allowed interpreter"},

	{id: "X5a", technique: "map a written file executable", do: func() error {
		fd, err := unix.Open(file, unix.O_RDONLY, 0)
		if err != nil {
			return prepare(err)
		}
		_, err = unix.Mmap(fd, 0, 1, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
		return err
	}, hook: "mmap_file", action: "map", subject: "desk/file", rule: "default"},
	{id: "X5b", technique: "make a mapping of a file executable later", do: func() error {
		fd, err := unix.Open(file, unix.O_RDONLY, 0)
		if err != nil {
			return prepare(err)
		}
		b, err := unix.Mmap(fd, 0, 1, unix.PROT_READ, unix.MAP_PRIVATE)
		if err != nil {
			return prepare(err)
		}
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
	}, hook: "file_mprotect", action: "map", subject: "desk/file", rule: "default"},
	{id: "X5c", technique: "LD_PRELOAD of a library that may only be read; dlopen maps likewise", setup: linked, do: func() error {
		return start([]string{"LD_PRELOAD=" + root + "/look/library.so"}, root+"/desk/bin/quiet")
	}, hook: "mmap_file", action: "map", subject: "look/library.so", rule: "default"},
	{id: "X5d", technique: "LD_... in the environment of a program that rules name by exe", setup: programs, do: func() error {
		return start([]string{"A=1", "LD_AUDIT=/x"}, workProgram)
	}, rules: byName, end: "SIGKILL", hook: "bprm_committed_creds", action: "exec", subject: "desk/bin/program", rule: "builtin/environment"},
	{id: "X5e", technique: "the same behind more text than is read", setup: programs, do: func() error {
		var env []string
		for i := range 4 {
			env = append(env, fmt.Sprintf("A%d=%s", i, strings.Repeat("x", 100000)))
		}
		return start(append(env, "LD_AUDIT=/x"), workProgram)
	}, rules: byName, end: "SIGKILL", hook: "bprm_committed_creds", action: "exec", subject: "desk/bin/program", rule: "builtin/environment"},
	{id: "X5f", technique: "anonymous executable memory",
		reason: "JIT compilers need it; the code in it stays under the rules, and it cannot be executed as a program (X3a)"},

	{id: "X6", technique: "symbolic link to a program", setup: programs, do: func() error {
		if err := unix.Symlink(secretProgram, root+"/desk/bin/link"); err != nil {
			return prepare(err)
		}
		return execute(root + "/desk/bin/link")
	}, hook: "bprm_check_security", action: "exec", subject: "secret/program", rule: "no-secret"},

	{id: "X7a", technique: "another applet of an allowed multi-call program", do: func() error {
		return start(nil, box, "printf", says)
	}, rules: commands, end: "SIGKILL", hook: "bprm_committed_creds", action: "exec", subject: box, rule: "default"},
	{id: "X7b", technique: "so many arguments that not all are read", do: func() error {
		return start(nil, box, append([]string{"echo", strings.TrimSpace(says) + "\n"}, strings.Repeat("x", 5000))...)
	}, rules: commands, end: "SIGKILL", hook: "bprm_committed_creds", action: "exec", subject: box, rule: "default"},
	{id: "X7c", technique: "have an allowed command execute another program (env, find -exec, git -c core.pager)", setup: programs, do: func() error {
		return start(nil, box, "env", secretProgram)
	}, rules: commands, hook: "bprm_check_security", action: "exec", subject: "secret/program", rule: "default"},
	{id: "X7d", technique: "a thread that rewrites the arguments during the exec", test: "pkg/loader TestCommandRace"},
	{id: "X7e", technique: "an applet by the program's own name, argv[0]",
		reason: "a command is compared without argv[0]; lint reports that arguments of a multi-call program are no boundary"},

	{id: "X8", technique: "two decisions for one exec", test: "pkg/loader TestScriptRecord"},
	{id: "X9a", technique: "act between fork and exec", test: "pkg/loader TestForkInherits"},
	{id: "X9b", technique: "use a process id twice", test: "pkg/loader TestPidReuse"},
	{id: "X9c", technique: "say to be another executable (PR_SET_MM)", do: setArguments,
		rules: byName, hook: "task_prctl", action: "system", rule: "builtin/identity"},

	{id: "X10a", technique: "have the kernel start a program: core_pattern", do: func() error {
		return open("/proc/sys/kernel/core_pattern", unix.O_WRONLY)
	}, rules: anyFile, hook: "file_open", action: "write", subject: "/proc/sys/kernel/core_pattern", rule: "builtin/kernel_helpers"},
	{id: "X10b", technique: "the same under another name of /proc/sys", setup: bindSysctls, do: func() error {
		return open("/sysctls/kernel/core_pattern", unix.O_RDWR)
	}, rules: anyFile, hook: "file_open", action: "write", subject: "/sysctls/kernel/core_pattern", rule: "builtin/kernel_helpers"},
	{id: "X10c", technique: "the module loader's path", do: func() error {
		return open("/proc/sys/kernel/modprobe", unix.O_WRONLY)
	}, rules: anyFile, hook: "file_open", action: "write", subject: "/proc/sys/kernel/modprobe", rule: "builtin/kernel_helpers"},
	{id: "X10d", technique: "a binary format of one's own", setup: mountFormats, do: func() error {
		return open(formats+"/register", unix.O_WRONLY)
	}, rules: anyFile, hook: "file_open", action: "write", subject: formats + "/register", rule: "builtin/kernel_helpers"},
	{id: "X10e", technique: "release_agent of a cgroup v1 hierarchy", setup: mountCgroup1, do: func() error {
		return open(cgroup1+"/release_agent", unix.O_WRONLY)
	}, rules: anyFile, hook: "file_open", action: "write", subject: cgroup1 + "/release_agent", rule: "builtin/cgroupfs", lacks: noCgroup1},
	{id: "X10f", technique: "the program for device events", do: func() error {
		return open("/sys/kernel/uevent_helper", unix.O_WRONLY)
	}, rules: anyFile, hook: "file_open", action: "write", subject: "/sys/kernel/uevent_helper", rule: "builtin/kernel_helpers", lacks: noUeventHelper},

	{id: "X11", technique: "ask with AT_EXECVE_CHECK what may be executed", setup: programs, do: func() error {
		fd, err := unix.Open(secretProgram, unix.O_PATH, 0)
		if err != nil {
			return prepare(err)
		}
		return executeAt(fd, "", unix.AT_EMPTY_PATH|execveCheck)
	}, hook: "bprm_creds_for_exec", action: "exec", subject: "secret/program", rule: "no-secret", lacks: noExecveCheck},

	{id: "X12", technique: "a program as the ELF interpreter of an allowed one", setup: func() error {
		return errors.Join(files(map[string]string{"secret/program": string(program(0x10000000, "")), "desk/bin/program": string(program(0x400000, secretProgram))}))
	}, do: func() error { return start(nil, workProgram) },
		end: "SIGSEGV", hook: "mmap_file", action: "map", subject: "secret/program", rule: "no-secret"},

	{id: "X13a", technique: "a file of a format that is registered on the node", setup: registered("escapes-a", "ESCA", workProgram), do: func() error {
		return execute(root + "/look/ESCA")
	}, hook: "bprm_check_security", action: "exec", subject: "look/ESCA", rule: "default"},
	{id: "X13b", technique: "the handler of such a format, which gets an open descriptor", setup: registered("escapes-b", "ESCB", secretProgram), do: func() error {
		return execute(root + "/desk/bin/ESCB")
	}, hook: "bprm_check_security", action: "exec", subject: "secret/program", rule: "no-secret"},
}

// execveCheck is AT_EXECVE_CHECK of include/uapi/linux/fcntl.h.
const execveCheck = 0x10000

// busybox is the program.
func busybox() string {
	b, err := os.ReadFile(box)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// setArguments moves where /proc says that the arguments are to where they are.
func setArguments() error {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		// Gated it may not be read: any address is as good.
		return prctlMM(0x1000)
	}
	words := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	at, err := strconv.ParseUint(words[48-3], 10, 64)
	if err != nil {
		return prepare(err)
	}
	return prctlMM(uintptr(at))
}

func prctlMM(at uintptr) error {
	return unix.Prctl(unix.PR_SET_MM, unix.PR_SET_MM_ARG_START, at, 0, 0)
}

const (
	formats = "/formats" // binfmt_misc
	cgroup1 = "/cgroup1"
)

// mounted mounts once, for all that follow.
func mounted(what, where, kind string, flags uintptr, data string) error {
	if err := os.Mkdir(where, 0o755); errors.Is(err, os.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := unix.Mount(what, where, kind, flags, data); err != nil {
		return errors.Join(err, os.Remove(where))
	}
	return nil
}

func bindSysctls() error  { return mounted("/proc/sys", "/sysctls", "", unix.MS_BIND, "") }
func mountFormats() error { return mounted("formats", formats, "binfmt_misc", 0, "") }
func mountCgroup1() error { return mounted("cgroup", cgroup1, "cgroup", 0, "none,name=escapes") }

// registered has the kernel start a handler for files that begin with a word,
// and give it the open file. Such files are laid where programs may be run and
// where they may be read only.
func registered(name, word, handler string) func() error {
	return func() error {
		if err := errors.Join(programs(), mountFormats(), files(map[string]string{"desk/bin/" + word: word, "look/" + word: word})); err != nil {
			return err
		}
		if _, err := os.Stat(formats + "/" + name); err == nil {
			return nil
		}
		return os.WriteFile(formats+"/register", []byte(":"+name+":M::"+word+"::"+handler+":O"), 0)
	}
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
	name, env := []byte{'x', 0}, []byte(actorEnv+"="+done+"\x00")
	argv, envp, empty := [2]*byte{&name[0]}, [2]*byte{&env[0]}, [1]byte{}
	return execveat(fd, &empty[0], &argv[0], &envp[0], unix.AT_EMPTY_PATH)
}

func execveat(dir int, path *byte, argv, envp **byte, flags int) error {
	_, _, no := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(dir), uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(argv)), uintptr(unsafe.Pointer(envp)), uintptr(flags), 0)
	if no != 0 {
		return no
	}
	return nil
}
