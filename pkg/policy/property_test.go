package policy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestEvaluateAgrees compares the compiled tables with the naive evaluator, on
// random policies and on subjects that are near misses of their patterns.
// POLICY_COMPARISONS sets how many comparisons it makes, POLICY_SEED the seed.
func TestEvaluateAgrees(t *testing.T) {
	want := envInt("POLICY_COMPARISONS", 200_000)
	seed := uint64(envInt("POLICY_SEED", 1))
	if testing.Short() {
		want /= 10
	}
	done, policies, allowed := 0, 0, 0
	for ; done < want; policies++ {
		g := &generator{rand.New(rand.NewPCG(seed, uint64(policies)))}
		src := g.policy()
		p, err := Parse("random.yaml", []byte(src))
		if err != nil {
			t.Fatalf("policy %d: %v\n%s", policies, err, src)
		}
		var o Options
		if g.IntN(3) == 0 {
			floor := g.policy()
			if o.Floor, err = Parse("floor.yaml", []byte(floor)); err != nil {
				t.Fatalf("floor %d: %v\n%s", policies, err, floor)
			}
			src += "# floor:\n" + floor
		}
		tables, err := Compile(p, o)
		if err != nil {
			t.Fatalf("policy %d: %v\n%s", policies, err, src)
		}
		rules, err := newEvaluator(p, o)
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			k := Kind(g.IntN(numKinds))
			subject := g.subject(k)
			got, want := tables.Match(k, subject), rules.evaluate(k, subject)
			if got != want {
				t.Fatalf("policy %d, %s %q: tables say %+v (%s), rules say %+v (%s)\n%s", policies, k, subject,
					got, tables.Rules[got.Rule].Name, want, tables.Rules[want.Rule].Name, src)
			}
			done++
			if got.Matched && got.Allow {
				allowed++
			}
		}
	}
	t.Logf("%d comparisons over %d policies, %d allowed by a rule with a matcher", done, policies, allowed)
	if allowed < done/100 {
		t.Errorf("only %d of %d subjects matched an allow rule: the subjects are too far from the patterns", allowed, done)
	}
}

func envInt(name string, value int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return value
}

// generator makes policies and subjects out of few words, so that they meet.
type generator struct{ *rand.Rand }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) policy() string {
	var b strings.Builder
	baseline := "none" // the others take long to compile
	if g.IntN(25) == 0 {
		baseline = pick(g, "runtime", "image")
	}
	fmt.Fprintf(&b, "version: 1\ndefaultAction: %s\nbaseline: %s\n", pick(g, "deny", "allow"), baseline)
	if g.IntN(4) == 0 {
		fmt.Fprintf(&b, "audit: {file.read: {allow: each}, network.request: {allow: count}}\n")
	}
	b.WriteString("rules:\n")
	for range 1 + g.IntN(9) {
		decision := pick(g, "allow", "allow", "deny", "deny", "audit")
		if g.IntN(3) > 0 {
			action := pick(g, "file.read", "file.write", "file.delete", "file.*", "process.exec", "[file.read, process.exec]")
			fmt.Fprintf(&b, "  - action: %s\n    decision: %s\n", action, decision)
			if g.IntN(8) > 0 {
				fmt.Fprintf(&b, "    path: %s\n", g.matcher(g.pathOp))
			}
			continue
		}
		fmt.Fprintf(&b, "  - action: network.request\n    decision: %s\n", decision)
		if g.IntN(2) == 0 {
			fmt.Fprintf(&b, "    host: %s\n", g.matcher(g.hostOp))
		}
		if g.IntN(3) == 0 {
			fmt.Fprintf(&b, "    cidr: %s\n", g.list(g.cidr))
		}
		if g.IntN(3) == 0 {
			fmt.Fprintf(&b, "    port: %s\n", pick(g, "443", `"8000-9000"`, `[53, "255-256", 65535]`, `"1-65535"`, `"300-800"`, "[]"))
		}
		if g.IntN(4) == 0 {
			fmt.Fprintf(&b, "    protocol: %s\n", pick(g, "tcp", "udp", "[tcp, udp]"))
		}
	}
	return b.String()
}

// matcher returns one to three operators; a key may stand only once.
func (g *generator) matcher(op func() (string, string)) string {
	ops := map[string]string{}
	var order []string
	for range 1 + g.IntN(5)/2 {
		name, value := op()
		if _, dup := ops[name]; !dup {
			order = append(order, name+": "+value)
		}
		ops[name] = value
	}
	return "{" + strings.Join(order, ", ") + "}"
}

func (g *generator) list(item func() string) string {
	items := []string{}
	for range g.IntN(4) {
		items = append(items, item())
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func (g *generator) pathOp() (string, string) {
	quoted := func(make func() string) func() string {
		return func() string { return "'" + make() + "'" }
	}
	piece := func() string { return pick(g, "a", ".env", "/b", "b/", "bin", "ab", "/", "..20", "..data/a") }
	switch g.IntN(8) {
	case 0:
		return "equals", quoted(g.path)()
	case 1:
		return "in", g.list(quoted(g.path))
	case 2:
		return "startsWith", quoted(func() string { return g.path() + pick(g, "", "/", "a") })()
	case 3:
		return "endsWith", g.list(quoted(piece))
	case 4:
		return "contains", g.list(quoted(piece))
	case 5:
		return "glob", quoted(g.glob)()
	}
	return "glob", g.list(quoted(g.glob))
}

func (g *generator) name() string {
	return pick(g, "a", "b", "ab", "aa", ".env", "bin", "usr", "lib", "run", "var", "proc", "self", "lock", "12", "task")
}

func (g *generator) path() string {
	p := ""
	for range 1 + g.IntN(4) {
		p += "/" + g.name()
	}
	return p
}

func (g *generator) glob() string {
	if g.IntN(6) == 0 {
		return pick(g, "*.env", "a*", "?", "[!a]b", "{a,b}?", "*a*b", "**/a", "**", "/", "**/a/**/b", `\*`, "{/a,b}", "*")
	}
	p := ""
	for range 1 + g.IntN(4) {
		p += "/" + pick(g, g.name(), g.name(), g.name(), "*", "**", "a*", "*b", "?", "[a-c]", "[!a-c.]*", "{a,b}", "{a*,*b}*", "*a*", `\[`, "{ab,**}")
	}
	return p
}

func (g *generator) hostOp() (string, string) {
	host := func() string { return "'" + g.host() + "'" }
	switch g.IntN(5) {
	case 0:
		return "equals", host()
	case 1:
		return "in", g.list(func() string { return pick(g, host(), host(), "'"+g.addr().String()+"'") })
	case 2:
		return "endsWith", "'" + pick(g, ".", "") + g.host() + "'"
	case 3:
		return "endsWith", g.list(func() string { return "'." + g.host() + "'" })
	}
	return "glob", "'" + pick(g, "*.", "a*.", "?.", "*.*.", "{a,b*}.", "[a-c].", "") + g.host() + "'"
}

func (g *generator) host() string {
	h := pick(g, "a", "b", "com", "A-b", "ab")
	for range g.IntN(3) {
		h += "." + pick(g, "a", "b", "com", "aB")
	}
	return h
}

func (g *generator) addr() netip.Addr {
	return netip.MustParseAddr(pick(g, "10.0.0.1", "10.0.1.2", "10.200.3.4", "127.0.0.1", "127.9.9.9", "0.0.0.0", "::", "::1",
		"169.254.169.254", "168.63.129.16", "169.254.169.253", "fd00:ec2::254", "fd00:ec2::255", "2001:db8::1", "8.8.8.8", "::ffff:1:2", "::fffe:1:2"))
}

func (g *generator) cidr() string {
	a := g.addr()
	p := netip.PrefixFrom(a, g.IntN(a.BitLen()+1)).Masked()
	return "'" + p.String() + "'"
}

func (g *generator) subject(k Kind) []byte {
	var s []byte
	switch k {
	case KindAddr:
		s = AddrSubject(g.IntN(3) == 0, g.addr(), pick[uint8](g, 6, 17, 6, 17, 132), pick[uint16](g, 443, 53, 8000, 9000, 9001, 255, 256, 257, 65535, 0, 299, 300, 511, 600, 800, 801))
		if g.IntN(8) == 0 {
			s[1+g.IntN(19)] = byte(g.Uint32())
		}
		return s
	case KindHost:
		s = HostSubject(pick(g, g.host(), g.host()+"."+g.host()))
	default:
		s = PathSubject(g.IntN(2) == 0, g.somePath())
		if g.IntN(50) == 0 {
			s = NoPathSubject()
		}
	}
	if g.IntN(5) == 0 {
		for range 1 + g.IntN(3) {
			s = g.mutate(s)
		}
	}
	return s
}

func (g *generator) somePath() string {
	p := pick(g, g.path(), g.path(), strings.NewReplacer("*", "", "?", "c", "{", "", "\\", "").Replace(g.glob()))
	switch g.IntN(6) {
	case 0:
		p = pick(g, "/usr", "/var", "/proc/77", "/run", "/etc", "/root", "/usr/lib", "/proc/77/task/8", "/dev") + p
	case 1:
		i := strings.LastIndexByte(p, '/')
		p = p[:max(i, 0)] + pick(g, "/..20x", "/..data", "/..2", "/..20", "/..date") + p[max(i, 0):]
	}
	return p
}

// mutate changes one byte to any value but 0, which no subject holds.
func (g *generator) mutate(s []byte) []byte {
	s = bytes.Clone(s)
	b := pick(g, byte(1+g.IntN(255)), '/', '.', 'a')
	i := g.IntN(len(s) + 1)
	switch {
	case i == len(s) || g.IntN(3) == 0:
		return append(s[:i:i], append([]byte{b}, s[i:]...)...)
	case g.IntN(2) == 0 && len(s) > 1:
		return append(s[:i:i], s[i+1:]...)
	}
	s[i] = b
	return s
}
