package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/image"
)

// CheckImage returns what the files of the image add to Check: names that the
// kernel never sees, since they are links, and binaries that are many programs.
func CheckImage(p *policy.Policy, t *policy.Tables, m *image.Image) []Finding {
	l := &linter{policy: p, tables: t}
	for i := range p.Rules {
		r := &p.Rules[i]
		for _, matcher := range []*policy.Matcher{r.Path, r.Exe} {
			if matcher != nil {
				l.links(r, matcher, m)
			}
		}
	}
	l.multicalls(m)
	return Sorted(l.found)
}

// links reports values that name a path through a link of the image: files are
// compared by their real paths, so such a value matches nothing.
func (l *linter) links(r *policy.Rule, matcher *policy.Matcher, m *image.Image) {
	for c := range matcher.Conditions {
		cond := &matcher.Conditions[c]
		for i, value := range cond.Values {
			for _, lit := range cond.Literals(i) {
				real := m.Resolve(lit.Path)
				if real.Path == lit.Path || sameName(lit.Path, real.Path) || covers(matcher, real.Path) {
					continue
				}
				severity, code, effect := Warning, "symlink", "so this allows nothing there"
				if !allows(r) {
					severity, code, effect = Error, "deny-symlink", "so this denies nothing there"
				}
				l.at(r, cond.Places[i], severity, code,
					fmt.Sprintf("%s is really %s (%s), and rules are compared with real paths, %s", lit.Path, real.Path, trail(real.Links), effect),
					"write "+rewritten(value, lit.Path, real.Path))
			}
		}
	}
}

// sameName reports whether a rule for one name matches the other, as it does
// for names that the language knows to be one, such as /bin and /usr/bin.
func sameName(name, real string) bool {
	src := fmt.Sprintf("version: 1\nbaseline: none\nrules:\n  - action: file.read\n    decision: allow\n    path: {equals: %q}\n", name)
	p, err := policy.Parse("", []byte(src))
	if err != nil {
		return false
	}
	t, err := policy.Compile(p, policy.Options{})
	return err == nil && t.Match(policy.KindRead, policy.PathSubject(true, real)).Allow
}

// covers reports whether another value of the matcher already names the real
// path, or a directory above it.
func covers(matcher *policy.Matcher, real string) bool {
	for c := range matcher.Conditions {
		cond := &matcher.Conditions[c]
		for i := range cond.Values {
			for _, lit := range cond.Literals(i) {
				if lit.Path == real || !lit.Whole && (lit.Path == "/" || strings.HasPrefix(real, lit.Path+"/")) {
					return true
				}
			}
		}
	}
	return false
}

func trail(links []image.Link) string {
	if len(links) == 0 {
		return "through . or .."
	}
	texts := make([]string, len(links))
	for i, l := range links {
		texts[i] = l.Path + " -> " + l.Target
	}
	return strings.Join(texts, ", ")
}

// rewritten puts the real path in the place of its beginning.
func rewritten(value, literal, real string) string {
	if rest, ok := strings.CutPrefix(value, literal); ok {
		return strings.TrimSuffix(real, "/") + rest
	}
	return "the rule for " + real
}

// multicalls reports allows of binaries that are many programs: whoever may
// execute one of the names has all of them.
func (l *linter) multicalls(m *image.Image) {
	const some = 6
	for _, f := range m.Multicalls() {
		seen := map[*policy.Rule]bool{}
		for _, path := range f.Paths {
			v := l.tables.Match(policy.KindExec, policy.PathSubject(false, path))
			r := l.own(v.Rule)
			if r == nil || !v.Allow || !r.HasMatcher() || seen[r] {
				continue
			}
			seen[r] = true
			names := f.Names
			if len(names) > some {
				names = append(slices.Clone(names[:some]), fmt.Sprintf("%d more", len(f.Names)-some))
			}
			l.about(r, Warning, "multi-call", fmt.Sprintf("%s is many programs in one (%s): to allow it is to allow all of them", path, strings.Join(names, ", ")),
				"use an image whose programs are separate files, or add command to say which of them may run")
		}
	}
}
