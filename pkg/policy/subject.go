package policy

import (
	"encoding/binary"
	"net/netip"
)

// Class bytes, the first byte of every subject.
const (
	classRoot    = 1 // paths: the container's root file system; addresses: own network namespace
	classVolume  = 2 // paths: a mounted volume; addresses: the node's network namespace
	classNoPath  = 3 // paths: a file without a name; nothing follows
	addrSubjects = 20
)

// PathSubject returns the subject of a path kind. volume says that the file
// lies on a mounted volume and not on the container's root file system.
func PathSubject(volume bool, path string) []byte {
	return append([]byte{classByte(volume)}, path...)
}

// NoPathSubject returns the subject of a file that has no path, such as a
// deleted or in-memory executable.
func NoPathSubject() []byte { return []byte{classNoPath} }

// CommandSubject returns the subject of a command: the path of its program, as
// PathSubject, then the arguments behind the program's own name.
func CommandSubject(volume bool, path string, args []string) []byte {
	return appendArgs(PathSubject(volume, path), args)
}

// NoPathCommandSubject is CommandSubject for a program that has no path.
func NoPathCommandSubject(args []string) []byte { return appendArgs(NoPathSubject(), args) }

func appendArgs(b []byte, args []string) []byte {
	for _, a := range args {
		b = append(append(b, 0), a...)
	}
	return b
}

// HostSubject returns the subject of a host name, in any case and with or
// without the trailing dot.
func HostSubject(name string) []byte {
	name = normalHost(name)
	b := make([]byte, 0, len(name)+1)
	b = append(b, classRoot)
	for i := len(name) - 1; i >= 0; i-- {
		b = append(b, name[i])
	}
	return b
}

// AddrSubject returns the subject of an address, IP protocol and port. hostNet
// says that the pod shares the node's network namespace.
func AddrSubject(hostNet bool, addr netip.Addr, proto uint8, port uint16) []byte {
	ip := addr.As16()
	b := make([]byte, 0, addrSubjects)
	b = append(b, classByte(hostNet))
	b = append(b, ip[:]...)
	b = append(b, proto)
	return binary.BigEndian.AppendUint16(b, port)
}

func classByte(second bool) byte {
	if second {
		return classVolume
	}
	return classRoot
}
