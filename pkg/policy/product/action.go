package product

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Action is one action as the tables take it.
type Action struct {
	Kind    policy.Kind
	Reading bool // KindWrite: the file is opened for reading as well
	Subject []byte
	Facts   policy.Facts // what is known beside it
}

// Verb returns what is done, in the words of the language.
func (a Action) Verb() string {
	if a.Reading {
		return "file.write and file.read at once"
	}
	return map[policy.Kind]string{
		policy.KindRead: "file.read", policy.KindWrite: "file.write", policy.KindDelete: "file.delete",
		policy.KindExec: "process.exec", policy.KindMap: "map executable",
		policy.KindHost: "network.request, resolve", policy.KindAddr: "network.request, connect",
	}[a.Kind]
}

// String returns what it is done to, as people write it.
func (a Action) String() string {
	out := ""
	switch a.Kind {
	case policy.KindHost:
		out = readable(reversed(a.Subject[1:]))
	case policy.KindAddr:
		out = addrText(a.Subject)
	default:
		out = pathText(a.Subject)
	}
	if a.Facts.Name != nil {
		out += " as " + readable(reversed(a.Facts.Name[1:]))
	}
	if a.Facts.Command != nil {
		_, args, some := strings.Cut(string(a.Facts.Command), "\x00")
		out += " without arguments"
		if some {
			out = strings.TrimSuffix(out, " without arguments") + " with arguments " + quotedWords(args)
		}
	}
	if a.Facts.Exe != nil {
		out += " by " + pathText(a.Facts.Exe)
	}
	return out
}

// quotedWords separates the arguments of a command by spaces, each in quotes
// that would not be read as one word.
func quotedWords(args string) string {
	words := strings.Split(args, "\x00")
	for i, w := range words {
		if w = readable(w); w == "" || strings.ContainsAny(w, " \"'") {
			w = strconv.Quote(words[i])
		}
		words[i] = w
	}
	return strings.Join(words, " ")
}

func pathText(subject []byte) string {
	switch subject[0] {
	case classNoPath:
		return "(a file without a path)"
	case classVolume:
		return readable(string(subject[1:])) + " (on a mounted volume)"
	}
	return readable(string(subject[1:]))
}

func addrText(subject []byte) string {
	addr := netip.AddrFrom16([16]byte(subject[1:17])).Unmap()
	text := netip.AddrPortFrom(addr, binary.BigEndian.Uint16(subject[18:])).String()
	text += map[byte]string{protoTCP: "/tcp", protoUDP: "/udp"}[subject[17]]
	if subject[0] == classVolume {
		text += " (from a pod on the node's network)"
	}
	return text
}

// readable quotes a text that a terminal should not be given as it is.
func readable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == '�' }) {
		return strconv.Quote(s)
	}
	return s
}

func reversed(b []byte) string {
	out := slices.Clone(b)
	slices.Reverse(out)
	return string(out)
}
