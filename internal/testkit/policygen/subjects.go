package policygen

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// Kind is the kind of a subject, numbered as in docs/format/policy.md.
type Kind int

// The kinds of subjects that have a verdict.
const (
	Read Kind = iota
	Write
	Delete
	Exec
	Map
	Host
	Addr

	Kinds = 7
)

// Class bytes.
const (
	first  = 1 // root file system; own network namespace; names
	second = 2 // mounted volume; the node's network namespace
	noPath = 3
)

// Facts are the subjects of conditions, each nil where it is not known.
type Facts struct{ Exe, Command, Name []byte }

// Kind returns a kind, more often one about which a policy can say more.
func (g *Generator) Kind() Kind {
	return pick(g, Read, Read, Write, Delete, Exec, Exec, Exec, Map, Host, Addr, Addr, Addr)
}

// Subject returns a subject of the kind.
func (g *Generator) Subject(k Kind) []byte {
	var s []byte
	switch k {
	case Addr:
		return g.addrSubject()
	case Host:
		s = hostSubject(pick(g, g.host(), g.host()+"."+g.host()))
	default:
		s = append([]byte{pick[byte](g, first, second)}, g.somePath()...)
		if g.oneIn(50) {
			s = []byte{noPath}
		}
	}
	if g.oneIn(5) && s[0] != noPath {
		for range 1 + g.IntN(3) {
			s = append(s[:1:1], g.mutate(s[1:])...)
		}
	}
	if g.oneIn(100) && k != Exec {
		s[0] = byte(g.Uint32())
	}
	return s
}

// Facts returns what else is true when the subject is acted on. The command of
// an exec is one of the program that the subject names.
func (g *Generator) Facts(k Kind, subject []byte) (f Facts) {
	if !g.oneIn(8) {
		f.Exe = g.Subject(Exec)
	}
	if !g.oneIn(8) {
		f.Name = g.Subject(Host)
	}
	absolute := len(subject) > 1 && subject[1] == '/' // as every program's path is
	if k == Exec && (absolute || subject[0] == noPath) && !g.oneIn(6) {
		f.Command = slices.Clone(subject)
		for _, a := range g.args() {
			f.Command = append(append(f.Command, 0), a...)
		}
	}
	return f
}

func (g *Generator) addrSubject() []byte {
	ip := g.addr().As16()
	s := append([]byte{pick[byte](g, first, first, second)}, ip[:]...)
	s = append(s, pick[byte](g, 6, 17, 6, 17, 132))
	s = binary.BigEndian.AppendUint16(s, pick[uint16](g, 443, 53, 8000, 9000, 9001, 255, 256, 257, 65535, 0, 299, 300, 511, 600, 800, 801))
	if g.oneIn(8) {
		s[1+g.IntN(19)] = byte(g.Uint32())
	}
	return s
}

func hostSubject(name string) []byte {
	s := []byte(strings.ToLower(name))
	slices.Reverse(s)
	return append([]byte{first}, s...)
}

func (g *Generator) somePath() string {
	p := pick(g, g.path(), g.path(), strings.NewReplacer("*", "", "?", "c", "{", "", "\\", "").Replace(g.glob()))
	switch g.IntN(6) {
	case 0:
		p = pick(g, "/usr", "/var", "/proc/77", "/run", "/etc", "/root", "/usr/lib", "/proc/77/task/8", "/dev") + p
	case 1:
		i := strings.LastIndexByte(p, '/')
		p = p[:max(i, 0)] + pick(g, "/..20x", "/..data", "/..2", "/..20", "/..date") + p[max(i, 0):]
	case 2:
		p = pick(g, "/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin/x", "/usr/local") + "/" + pick(g, "a", "b", "ab", "aa")
	}
	return p
}

// mutate changes one byte to any value but 0, which stands for padding or
// between words.
func (g *Generator) mutate(s []byte) []byte {
	s = bytes.Clone(s)
	b := pick(g, byte(1+g.IntN(255)), byte(1+g.IntN(255)), '/', '.', 'a')
	i := g.IntN(len(s) + 1)
	switch {
	case i == len(s) || g.oneIn(3):
		return append(s[:i:i], append([]byte{b}, s[i:]...)...)
	case g.oneIn(2):
		return append(s[:i:i], s[i+1:]...)
	}
	s[i] = b
	return s
}
