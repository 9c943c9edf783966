package explain

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

// near says how a rule that does not match would match after all, or "".
func near(r *policy.Rule, a product.Action) string {
	matches := func(subject []byte) bool { return r.Matches(a.Kind, subject, a.Facts) }
	switch a.Kind {
	case policy.KindAddr:
		if a.Facts.Name == nil && r.Host != nil {
			return "it is about names; an address matches only while it is bound to one of them"
		}
		return ""
	case policy.KindHost:
		return nearHost(a.Subject, matches)
	}
	if r.Path == nil || len(a.Subject) < 2 || a.Subject[1] != '/' {
		return ""
	}
	return nearPath(r, a.Subject, matches)
}

func nearHost(subject []byte, matches func([]byte) bool) string {
	name := slices.Clone(subject[1:])
	slices.Reverse(name)
	if matches(policy.HostSubject("zq7x." + string(name))) {
		return "it matches names below this one, not the name itself"
	}
	if _, parent, ok := strings.Cut(string(name), "."); ok && matches(policy.HostSubject(parent)) {
		return "it matches " + parent + ", not the names below it: endsWith does that"
	}
	return ""
}

func nearPath(r *policy.Rule, subject []byte, matches func([]byte) bool) string {
	volume := subject[0] != 1
	name := string(subject[1:])
	with := func(p string) bool { return matches(policy.PathSubject(volume, p)) }
	switch {
	case matches(append([]byte{subject[0] ^ 3}, subject[1:]...)):
		return "it matches there if the file is (or is not) on a mounted volume"
	case with(path.Join(name, "zq7x")):
		return "it matches what lies in this directory, not the directory itself: /** does both"
	case name != "/" && with(path.Dir(name)):
		return "it matches the directory itself, not what lies in it: /** does both"
	}
	for c := range r.Path.Conditions {
		cond := &r.Path.Conditions[c]
		for i := range cond.Values {
			for _, lit := range cond.Literals(i) {
				if hint := nearLiteral(lit, name); hint != "" {
					return hint
				}
			}
		}
	}
	return ""
}

func nearLiteral(lit policy.Literal, name string) string {
	below := func(s string) bool { return !lit.Whole && strings.HasPrefix(s, lit.Path+"/") }
	switch {
	case lit.Path == name || below(name):
		return ""
	case strings.EqualFold(lit.Path, name), !lit.Whole && len(name) > len(lit.Path) && strings.EqualFold(lit.Path+"/", name[:len(lit.Path)+1]):
		return "it differs in upper and lower case only"
	case lit.Whole && path.Base(lit.Path) == path.Base(name), lit.Whole && path.Dir(lit.Path) == path.Dir(name) && sameProgram(path.Base(lit.Path), path.Base(name)):
		return "if " + lit.Path + " is a link to " + name + ", write the real path: links are resolved before rules are asked"
	}
	return ""
}

// sameProgram reports whether names differ in a version, as python3 and
// python3.11 do.
func sameProgram(a, b string) bool {
	const version = "0123456789.-"
	a, b = strings.TrimRight(a, version), strings.TrimRight(b, version)
	return a == b && a != "" && !bytes.ContainsAny([]byte(a), "*")
}
