package policy

import (
	"slices"
	"strings"
)

// usrMerged are directories of the root that on a merged system are links to
// their namesakes in /usr.
var usrMerged = []string{"bin", "sbin", "lib", "lib64"}

// aliasPrefixes are pairs of directories that are one place under two names.
var aliasPrefixes = [][2][]string{
	{{"var", "run"}, {"run"}},
	{{"var", "lock"}, {"run", "lock"}},
}

// procLinks are names that the kernel resolves to the caller's own directory
// in /proc before any rule sees them.
var procLinks = []struct {
	from []string
	to   []component
}{
	{[]string{"proc", "self"}, ownProcess()},
	{[]string{"proc", "thread-self"}, ownProcess(literalComponent("task"), digits())},
	{[]string{"dev", "fd"}, ownProcess(literalComponent("fd"))},
	{[]string{"dev", "stdin"}, ownProcess(literalComponent("fd"), literalComponent("0"))},
	{[]string{"dev", "stdout"}, ownProcess(literalComponent("fd"), literalComponent("1"))},
	{[]string{"dev", "stderr"}, ownProcess(literalComponent("fd"), literalComponent("2"))},
}

func digits() component { return component{tokens: []token{{kind: tokDigits}}} }

func ownProcess(more ...component) []component {
	return append([]component{literalComponent("proc"), digits()}, more...)
}

// withAliases returns the pattern together with the same pattern under every
// other name of the directory that it starts with, or that it can start with:
// "**/var/run/x", or a path that ends with that, is about /var/run/x too.
func withAliases(p pathPattern) []pathPattern {
	rooted := p
	switch {
	case p.kind == patSuffix || p.kind == patContains:
		parse := parsePathLiteral
		if p.kind == patContains {
			parse = parsePathPrefix
		}
		var err *globError
		if rooted, err = parse("/" + strings.TrimPrefix(p.text, "/")); err != nil {
			return []pathPattern{p}
		}
	case len(p.components) > 1 && p.components[0].deep:
		rooted.components = p.components[1:]
	default:
		return rootedAliases(p)
	}
	pats := []pathPattern{p}
	for _, q := range rootedAliases(rooted)[1:] {
		if !endsIn(q, rooted) { // or p matches it already
			pats = append(pats, q)
		}
	}
	return pats
}

// endsIn reports whether an alias is the pattern behind other directories, as
// /usr/bin is /bin behind /usr.
func endsIn(alias, p pathPattern) bool {
	more := len(alias.components) - len(p.components)
	name, ok := p.components[0].literal()
	return ok && more > 0 && startsWithNames(pathPattern{components: alias.components[more:]}, []string{name})
}

// rootedAliases is withAliases for a pattern that begins at the root.
func rootedAliases(p pathPattern) []pathPattern {
	pats := []pathPattern{p}
	add := func(from pathPattern, skip int, prefix []component) {
		q := from
		q.components = append(slices.Clone(prefix), from.components[skip:]...)
		same := func(o pathPattern) bool { return samePrefix(o.components, q.components, len(prefix)) }
		if !slices.ContainsFunc(pats, same) {
			pats = append(pats, q)
		}
	}
	for i := 0; i < len(pats); i++ { // pats grows: aliases of aliases
		cur := pats[i]
		for _, dir := range usrMerged {
			if startsWithNames(cur, []string{dir}) {
				add(cur, 1, literalComponents("usr", dir))
			}
			if startsWithNames(cur, []string{"usr", dir}) {
				add(cur, 2, literalComponents(dir))
			}
		}
		for _, pair := range aliasPrefixes {
			if startsWithNames(cur, pair[0]) {
				add(cur, len(pair[0]), literalComponents(pair[1]...))
			}
			if startsWithNames(cur, pair[1]) {
				add(cur, len(pair[1]), literalComponents(pair[0]...))
			}
		}
		for _, link := range procLinks {
			if startsWithNames(cur, link.from) {
				add(cur, len(link.from), link.to)
			}
		}
	}
	return pats
}

func literalComponents(names ...string) []component {
	out := make([]component, len(names))
	for i, n := range names {
		out[i] = literalComponent(n)
	}
	return out
}

func startsWithNames(p pathPattern, names []string) bool {
	if len(p.components) < len(names) {
		return false
	}
	for i, n := range names {
		if text, ok := p.components[i].literal(); !ok || text != n {
			return false
		}
	}
	return true
}

// samePrefix compares the first n components and the number of all. Aliases
// of one pattern differ nowhere else.
func samePrefix(a, b []component, n int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range n {
		x, okx := a[i].literal()
		y, oky := b[i].literal()
		if okx != oky || x != y {
			return false
		}
	}
	return true
}

// isVolumeLink reports whether name is a directory that kubelet keeps inside a
// ConfigMap, Secret or projected volume: the key "/cm/key" is really
// "/cm/..2026_01_02_03_04_05.678/key". Such a component may stand before any
// component that follows a literal prefix, on mounted volumes only.
func isVolumeLink(name string) bool {
	return name == volumeLink || (len(name) >= len(volumeDir) && name[:len(volumeDir)] == volumeDir)
}

const (
	volumeLink = "..data"
	volumeDir  = "..20"
)
