package escapes

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// serial is the file that names the key of root outside.
const serial = root + "/look/file"

// noKey is what the kernel makes of a refusal while it looks a key up.
const noKey = "ENOKEY"

// keyActs are the rows of the kernel's key rings.
var keyActs = []escape{
	{id: "S20a", technique: "the key ring of a user outside", setup: hostKey, do: func() error {
		_, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", "escapes", 0)
		return err
	}, hook: "key_permission", action: "system", rule: "builtin/keyrings", end: noKey},
	{id: "S20b", technique: "a key from outside, by its number", setup: hostKey, do: readHostKey,
		hook: "key_permission", action: "system", rule: "builtin/keyrings", end: noKey},
	{id: "S20c", technique: "the same, beside keys of one's own", setup: hostKey, do: func() error {
		if err := ownKeys(); err != nil {
			return prepare(err)
		}
		return readHostKey()
	}, hook: "key_permission", action: "system", rule: "builtin/keyrings", end: noKey},
	{id: "S20d", technique: "a user's key ring that outlives logins", do: func() error {
		const getPersistent = 22
		_, _, no := unix.Syscall6(unix.SYS_KEYCTL, getPersistent, ^uintptr(0), specProcess, 0, 0, 0)
		return errno(no)
	}, hook: "key_permission", action: "system", rule: "builtin/keyrings", lacks: noPersistent},
	{id: "S20e", technique: "the key ring of a user outside, where it is relaxed", setup: hostKey,
		rules: rules + "builtin: {keyrings: allow}\n", do: readHostKey,
		hook: "key_permission", action: "system", rule: "builtin/keyrings", end: "ok"},
}

const specProcess = ^uintptr(1) // KEY_SPEC_PROCESS_KEYRING

// hostKey gives root outside a key that root may read.
func hostKey() error {
	id, err := unix.AddKey("user", "escapes", []byte("of the host"), unix.KEY_SPEC_USER_KEYRING)
	if err != nil {
		return err
	}
	if err := unix.KeyctlSetperm(id, 0x3f3f0000); err != nil {
		return err
	}
	return os.WriteFile(serial, []byte(strconv.Itoa(id)), 0o644)
}

func readHostKey() error {
	text, err := os.ReadFile(serial)
	if err != nil {
		return prepare(err)
	}
	id, err := strconv.Atoi(string(text))
	if err != nil {
		return prepare(err)
	}
	_, err = unix.KeyctlBuffer(unix.KEYCTL_READ, id, make([]byte, 64), 0)
	return err
}

// ownKeys makes and uses keys as programs do: in a session of its own, of the process, of the thread.
func ownKeys() error {
	runtime.LockOSThread()
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		return err
	}
	for _, ring := range []int{unix.KEY_SPEC_SESSION_KEYRING, unix.KEY_SPEC_PROCESS_KEYRING, unix.KEY_SPEC_THREAD_KEYRING} {
		id, err := unix.AddKey("user", "own", []byte("mine"), ring)
		if err != nil {
			return err
		}
		b := make([]byte, 8)
		if n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, b, 0); err != nil || string(b[:n]) != "mine" {
			return errors.Join(err, errors.New("the key reads "+string(b)))
		}
		found, err := unix.KeyctlSearch(ring, "user", "own", 0)
		if err != nil || found != id {
			return errors.Join(err, errors.New("another key was found"))
		}
	}
	kind, name := []byte("user\x00"), []byte("nobody's\x00")
	_, _, no := unix.Syscall6(unix.SYS_REQUEST_KEY, uintptr(unsafe.Pointer(&kind[0])), uintptr(unsafe.Pointer(&name[0])), 0, 0, 0, 0)
	if no != unix.ENOKEY {
		return fmt.Errorf("ask for a key that nobody made: %w", no)
	}
	return nil
}

func noPersistent() string {
	const getPersistent = 22
	if _, _, no := unix.Syscall6(unix.SYS_KEYCTL, getPersistent, ^uintptr(0), specProcess, 0, 0, 0); no != 0 {
		return "key rings that outlive logins"
	}
	return ""
}
