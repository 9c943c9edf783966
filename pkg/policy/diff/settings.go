package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Setting is a field of the policy besides its rules that has another value.
type Setting struct {
	Name      string
	Old, New  string
	Direction Direction
}

// settings compares the fields that the automata do not show; what a baseline
// or defaultAction change means for actions is among the changes, so that here
// they have no direction.
func settings(older, newer Side) []Setting {
	var out []Setting
	a, b := older.Policy, newer.Policy
	ordered := func(name, was, is string, narrowToWide ...string) {
		if was == is {
			return
		}
		s := Setting{Name: name, Old: was, New: is, Direction: Neither}
		if from, to := slices.Index(narrowToWide, was), slices.Index(narrowToWide, is); from >= 0 && to >= 0 {
			s.Direction = Wider
			if to < from {
				s.Direction = Narrower
			}
		}
		out = append(out, s)
	}
	ordered("mode", modeOf(older.Tables), modeOf(newer.Tables), "enforce", "observe")
	ordered("baseline", older.Tables.Baseline, newer.Tables.Baseline)
	ordered("defaultAction", a.DefaultAction.String(), b.DefaultAction.String())
	ordered("entrypoint", a.Entrypoint, b.Entrypoint, "deny", "single", "chain")
	ordered("onAuditLoss", a.OnAuditLoss, b.OnAuditLoss, "deny", "continue")
	ordered("onAgentLoss", a.OnAgentLoss, b.OnAgentLoss, "deny", "keep")
	ordered("connections", a.Connections, b.Connections, "cut", "keep")
	ordered("audit (counted allows)", orNone(a.Audit.CountAllows.String()), orNone(b.Audit.CountAllows.String()))
	out = append(out, sets("builtin (relaxed)", a.Builtin, b.Builtin)...)
	out = append(out, sets("dns.types", numbers(a.DNS.Types), numbers(b.DNS.Types))...)
	ordered("dns.tcp", onOff(a.DNS.TCP), onOff(b.DNS.TCP), "deny", "allow")
	out = append(out, caps("dns.maxLabel", uint64(a.DNS.MaxLabel), uint64(b.DNS.MaxLabel))...)
	out = append(out, caps("dns.rate", uint64(a.DNS.Rate), uint64(b.DNS.Rate))...)
	return out
}

func modeOf(t *policy.Tables) string {
	if t.Observe {
		return "observe"
	}
	return "enforce"
}

// sets compares lists of things that are allowed besides: one setting for what
// is new, one for what is gone.
func sets(name string, was, is []string) []Setting {
	var out []Setting
	without := func(from, what []string) []string {
		return slices.DeleteFunc(slices.Clone(from), func(s string) bool { return slices.Contains(what, s) })
	}
	change := func(changed []string, d Direction) {
		if len(changed) > 0 {
			out = append(out, Setting{name, orNone(strings.Join(was, ", ")), orNone(strings.Join(is, ", ")), d})
		}
	}
	change(without(is, was), Wider)
	change(without(was, is), Narrower)
	return out
}

// caps compares limits of which 0 is none.
func caps(name string, was, is uint64) []Setting {
	text := func(n uint64) string {
		if n == 0 {
			return "none"
		}
		return fmt.Sprint(n)
	}
	switch {
	case was == is:
		return nil
	case was != 0 && (is == 0 || is > was):
		return []Setting{{name, text(was), text(is), Wider}}
	}
	return []Setting{{name, text(was), text(is), Narrower}}
}

func numbers(in []uint16) []string {
	out := make([]string, len(in))
	for i, n := range in {
		out[i] = fmt.Sprint(n)
	}
	return out
}

func onOff(on bool) string {
	if on {
		return "allow"
	}
	return "deny"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
