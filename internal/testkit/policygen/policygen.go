// Package policygen makes random policies, floors and subjects for tests that
// hold one evaluator of policies against another. They are made of few words,
// so that subjects meet the rules, or miss them narrowly.
//
// Subjects are built here from docs/format/policy.md, not with pkg/policy:
// that package's own tests use this one.
package policygen

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Generator is a source of policies and subjects. The same seeds give the same
// sequence.
type Generator struct{ *rand.Rand }

// New returns a generator.
func New(seed, stream uint64) *Generator { return &Generator{rand.New(rand.NewPCG(seed, stream))} }

func pick[T any](g *Generator, from ...T) T { return from[g.IntN(len(from))] }

// oneIn is true once in n times.
func (g *Generator) oneIn(n int) bool { return g.IntN(n) == 0 }

// Policy returns the YAML of a policy.
func (g *Generator) Policy() string {
	var b strings.Builder
	baseline := "none" // the others take long to compile
	if g.oneIn(25) {
		baseline = pick(g, "runtime", "image")
	}
	fmt.Fprintf(&b, "version: 1\ndefaultAction: %s\nbaseline: %s\n", pick(g, "deny", "allow"), baseline)
	if g.oneIn(4) {
		b.WriteString("audit: {file.read: {allow: each}, network.request: {allow: count}}\n")
	} else if g.oneIn(3) {
		b.WriteString("audit: {allow: count}\n")
	}
	b.WriteString("rules:\n")
	for range 1 + g.IntN(9) {
		g.rule(&b, pick(g, "allow", "allow", "deny", "deny", "audit"))
	}
	return b.String()
}

// Floor returns the YAML of a floor.
func (g *Generator) Floor() string {
	var b strings.Builder
	b.WriteString("version: 1\n")
	if g.oneIn(3) {
		b.WriteString(pick(g, "baseline: none\n", "entrypoint: single\n", "mode: enforce\n", "audit: {allow: each}\n", "audit: {file.read: {allow: each}}\n"))
	}
	b.WriteString("rules:\n")
	for range 1 + g.IntN(4) {
		g.rule(&b, pick(g, "deny", "audit"))
	}
	return b.String()
}

func (g *Generator) rule(b *strings.Builder, decision string) {
	given := func(n int, field string, value func() string) {
		if g.oneIn(n) {
			fmt.Fprintf(b, "    %s: %s\n", field, value())
		}
	}
	action := pick(g, "file.read", "file.write", "file.delete", "file.*", "[file.read, process.exec]",
		"process.exec", "process.exec", "process.exec", "network.request", "network.request", "network.request")
	fmt.Fprintf(b, "  - action: %s\n    decision: %s\n", action, decision)
	given(5, "exe", func() string { return g.matcher(g.pathOp) })
	switch action {
	case "network.request":
		given(2, "host", func() string { return g.matcher(g.hostOp) })
		given(4, "cidr", func() string { return g.list(g.cidr) })
		given(3, "port", func() string {
			return pick(g, "443", `"8000-9000"`, `[53, "255-256", 65535]`, `"1-65535"`, `"300-800"`, "[]")
		})
		given(4, "protocol", func() string { return pick(g, "tcp", "udp", "[tcp, udp]") })
	case "process.exec":
		given(2, "command", func() string { return g.matcher(g.commandOp) })
		given(2, "path", func() string { return g.matcher(g.pathOp) })
	default:
		if !g.oneIn(8) {
			fmt.Fprintf(b, "    path: %s\n", g.matcher(g.pathOp))
		}
	}
}

// matcher returns one to three operators; a key may stand only once.
func (g *Generator) matcher(op func() (string, string)) string {
	ops := map[string]bool{}
	var order []string
	for range 1 + g.IntN(5)/2 {
		name, value := op()
		if !ops[name] {
			order = append(order, name+": "+value)
		}
		ops[name] = true
	}
	return "{" + strings.Join(order, ", ") + "}"
}

func (g *Generator) list(item func() string) string {
	items := []string{}
	for range g.IntN(4) {
		items = append(items, item())
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func quoted(value func() string) func() string {
	return func() string { return "'" + value() + "'" }
}
