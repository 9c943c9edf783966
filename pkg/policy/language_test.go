package policy

import (
	"fmt"
	"net/netip"
	"testing"
)

// check is one subject and the verdict of a policy about it. The evaluator and
// the tables must both give it.
type check struct {
	kind    Kind
	subject []byte
	rule    string
	allow   bool
}

func runChecks(t *testing.T, src string, o Options, checks []check) {
	t.Helper()
	p := mustParse(t, src)
	tables, err := Compile(p, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		for name, v := range map[string]Verdict{"tables": tables.Match(c.kind, c.subject), "rules": Evaluate(p, o, c.kind, c.subject)} {
			if got := tables.Rules[v.Rule].Name; got != c.rule || v.Allow != c.allow {
				t.Errorf("%s say %s, allow %v for %s %q; want %s, %v", name, got, v.Allow, c.kind, c.subject, c.rule, c.allow)
			}
		}
	}
}

func root(path string) []byte   { return PathSubject(false, path) }
func volume(path string) []byte { return PathSubject(true, path) }

func addr(s string, proto uint8, port uint16) []byte {
	return AddrSubject(false, netip.MustParseAddr(s), proto, port)
}

func TestPathPatterns(t *testing.T) {
	for _, tt := range []struct {
		matcher string
		yes, no []string
	}{
		{`/app/data/**`, []string{"/app/data", "/app/data/x", "/app/data/x/y", "/app/data/.x"}, []string{"/app/datax", "/app", "/app/dat", "/b/app/data"}},
		{`/a/*`, []string{"/a/b", "/a/.b"}, []string{"/a", "/a/", "/a/b/c"}},
		{`/a/?`, []string{"/a/b", "/a/."}, []string{"/a/", "/a/bc", "/a//"}},
		{`/a/[b-d]x`, []string{"/a/bx", "/a/dx"}, []string{"/a/ax", "/a/ex", "/a/x"}},
		{`/a/[!b-d]x`, []string{"/a/ax", "/a/\xffx"}, []string{"/a/bx", "/a//x"}},
		{`/{a,b/c}/d`, []string{"/a/d", "/b/c/d"}, []string{"/b/d", "/c/d"}},
		{`/a/**/z`, []string{"/a/z", "/a/b/z", "/a/b/c/z"}, []string{"/az", "/a/bz", "/a/z/y"}},
		{`.env`, []string{"/.env", "/a/.env", "/a/b/.env"}, []string{"/a/.envx", "/a/x.env", "/.env/a"}},
		{`*.pem`, []string{"/a.pem", "/x/y/b.pem", "/.pem"}, []string{"/a.pem/b", "/a.pemx"}},
		{`**/.ssh/**`, []string{"/.ssh", "/root/.ssh", "/root/.ssh/id"}, []string{"/root/x.ssh", "/root/.sshx"}},
		{`/**`, []string{"/", "/a", "/a/b"}, nil},
		{`/`, []string{"/"}, []string{"/a"}},
		{`/a\*b`, []string{"/a*b"}, []string{"/axb"}},
		{`/a/{*,x}*`, []string{"/a/y"}, []string{"/a/y/z", "/a"}},
		{`{equals: "/a*"}`, []string{"/a*"}, []string{"/ab"}},
		{`{in: [/a, /b/c]}`, []string{"/a", "/b/c"}, []string{"/b"}},
		{`{startsWith: /app}`, []string{"/app", "/app/x", "/apple"}, []string{"/ap"}},
		{`{startsWith: [/a/, /b/]}`, []string{"/a/", "/a/x", "/b/y"}, []string{"/a", "/c/"}},
		{`{endsWith: .py}`, []string{"/a.py", "/x/.py"}, []string{"/a.pyc"}},
		{`{contains: secret}`, []string{"/a/secret", "/mysecrets/x"}, []string{"/secre/t"}},
		{`{startsWith: /app/, endsWith: .py}`, []string{"/app/a.py"}, []string{"/app/a", "/b/a.py"}},
		{`{glob: /app/**, contains: x, endsWith: [a, b]}`, []string{"/app/xa", "/app/x/b"}, []string{"/app/a", "/app/x"}},
		{`{in: []}`, nil, []string{"/", "/a"}},
		{`{glob: [], startsWith: /}`, nil, []string{"/", "/a"}},
	} {
		matcher := tt.matcher
		if matcher[0] != '{' { // a plain string is short for glob
			matcher = "'" + matcher + "'"
		}
		src := "version: 1\nbaseline: none\nrules:\n  - {action: file.read, decision: allow, path: " + matcher + "}\n"
		var checks []check
		for _, s := range tt.yes {
			checks = append(checks, check{KindRead, root(s), "rules[0]", true}, check{KindRead, volume(s), "rules[0]", true})
		}
		for _, s := range tt.no {
			checks = append(checks, check{KindRead, root(s), "default", false}, check{KindRead, volume(s), "default", false})
		}
		checks = append(checks, check{KindRead, NoPathSubject(), "default", false})
		t.Run(tt.matcher, func(t *testing.T) { runChecks(t, src, Options{}, checks) })
	}
}

func TestAliases(t *testing.T) {
	for _, tt := range []struct{ pattern, subject string }{
		{"/bin/sh", "/usr/bin/sh"},
		{"/usr/bin/sh", "/bin/sh"},
		{"/lib64/**", "/usr/lib64/x"},
		{"/{bin,sbin}/*", "/usr/sbin/x"},
		{"/var/run/x", "/run/x"},
		{"/run/lock/**", "/var/lock/x"},
		{"/proc/self/maps", "/proc/1234/maps"},
		{"/proc/thread-self/comm", "/proc/12/task/34/comm"},
		{"/dev/fd/3", "/proc/9/fd/3"},
		{"/dev/stdin", "/proc/9/fd/0"},
	} {
		for _, decision := range []string{"allow", "deny"} {
			src := "version: 1\nbaseline: none\nrules:\n  - {id: r, action: file.read, decision: " + decision + ", path: '" + tt.pattern + "'}\n"
			runChecks(t, src, Options{}, []check{
				{KindRead, root(tt.subject), "r", decision == "allow"},
				{KindRead, volume(tt.subject), "r", decision == "allow"},
				{KindRead, root("/x" + tt.subject), "default", false},
			})
		}
	}
}

func TestAliasOfAPrefix(t *testing.T) {
	runChecks(t, "version: 1\nbaseline: none\nrules: [{id: r, action: file.read, decision: allow, path: {startsWith: [/proc/self, /bin]}}]\n", Options{}, []check{
		{KindRead, volume("/proc/12/maps"), "r", true},
		{KindRead, volume("/proc/12"), "r", true},
		{KindRead, volume("/proc/cpuinfo"), "default", false},
		{KindRead, root("/usr/bin/x"), "r", true},
		{KindRead, root("/usr/lib"), "default", false},
	})
}

func TestVolumeLinks(t *testing.T) {
	runChecks(t, "version: 1\nbaseline: none\nrules:\n- {id: r, action: file.read, decision: allow, path: {in: [/cm/key, /etc/app/sub/key]}}\n"+
		"- {id: g, action: file.read, decision: allow, path: '/cm/*.yaml'}\n- {id: s, action: file.read, decision: deny, path: {startsWith: /sec/ret}}\n", Options{}, []check{
		{KindRead, volume("/cm/key"), "r", true},
		{KindRead, volume("/cm/..2026_01_02_03_04_05.123/key"), "r", true},
		{KindRead, volume("/cm/..data/key"), "r", true},
		{KindRead, volume("/etc/app/..2026_1/sub/key"), "r", true},
		{KindRead, volume("/cm/..2026_1/a.yaml"), "g", true},
		{KindRead, volume("/sec/..2026_1/retired"), "s", false},
		{KindRead, root("/cm/..2026_1/key"), "default", false},
		{KindRead, volume("/cm/..x/key"), "default", false},
		{KindRead, volume("/cm/..datax/key"), "default", false},
		{KindRead, volume("/cm/..2026_1/x/key"), "default", false},
		{KindRead, volume("/..2026_1/cm/key"), "default", false},
	})
}

func TestOrderOfEvaluation(t *testing.T) {
	floor := mustParse(t, "version: 1\nrules:\n- {id: no, action: file.read, path: /a/floor, decision: deny}\n- {id: yes, action: file.read, path: /b, decision: allow}\n")
	src := `version: 1
baseline: runtime
rules:
  - {id: general, action: file.read, decision: deny}
  - {id: late, action: file.read, decision: allow}
  - {id: first, action: file.read, path: /a/x, decision: deny}
  - {id: second, action: file.read, path: /a/**, decision: allow}
  - {id: hosts, action: file.read, path: /etc/hosts, decision: deny}
`
	runChecks(t, src, Options{Floor: floor}, []check{
		{KindRead, root("/a/floor"), "floor/no", false},
		{KindRead, root("/a/x"), "first", false},
		{KindRead, root("/a/y"), "second", true},
		{KindRead, root("/etc/hosts"), "hosts", false},
		{KindRead, root("/etc/passwd"), "baseline/etc", true},
		{KindRead, root("/b"), "general", false}, // a floor never allows
		{KindWrite, root("/b"), "default", false},
	})
}

func TestDelete(t *testing.T) {
	runChecks(t, `version: 1
rules:
  - {id: w, action: file.write, path: /w/**, decision: allow}
  - {id: d, action: file.delete, path: /w/keep, decision: deny}
  - {id: both, action: file.*, path: /b, decision: allow}
  - {id: general, action: file.delete, decision: deny}
`, Options{}, []check{
		{KindDelete, root("/w/x"), "w", true},
		{KindDelete, root("/w/keep"), "d", false},
		{KindWrite, root("/w/keep"), "w", true},
		{KindDelete, root("/b"), "both", true},
		{KindDelete, root("/x"), "general", false},
		{KindDelete, volume("/dev/shm/x"), "baseline/shared-memory", true},
		{KindDelete, root("/dev/null"), "baseline/dev-keep", false},
	})
}

func TestExecAndMap(t *testing.T) {
	runChecks(t, `version: 1
baseline: runtime
rules:
  - {id: tool, action: process.exec, path: /opt/tool, decision: allow}
  - {id: evil, action: process.exec, path: /usr/lib/evil.so, decision: deny}
  - {id: rest, action: process.exec, decision: deny}
`, Options{}, []check{
		{KindExec, root("/opt/tool"), "tool", true},
		{KindMap, root("/opt/tool"), "tool", true},
		{KindExec, root("/usr/lib/libc.so.6"), "rest", false},
		{KindMap, root("/usr/lib/libc.so.6"), "baseline/shared-objects", true},
		{KindMap, root("/usr/lib/evil.so"), "evil", false},
		{KindMap, root("/tmp/x.so"), "rest", false},
		{KindExec, NoPathSubject(), "rest", false},
	})
	runChecks(t, rule("action: process.exec, decision: allow"), Options{}, []check{{KindExec, NoPathSubject(), "rules[0]", true}})
}

func TestLaunchers(t *testing.T) {
	tables := mustCompile(t, "version: 1\nbaseline: none\nrules: [{action: process.exec, path: /bin/sh, decision: deny}]\n", Options{})
	for path, want := range map[string]bool{
		"/bin/sh": true, "/usr/bin/sh": true, "/usr/local/bin/tini": true, "/tini": true, "/usr/bin/env": true,
		"/bin/node": false, "/app/sh": false, "/bin/shx": false,
	} {
		if v := tables.Match(KindExec, root(path)); v.Launcher != want {
			t.Errorf("%s: launcher %v, want %v", path, v.Launcher, want)
		}
		if v := tables.Match(KindRead, root(path)); v.Launcher {
			t.Errorf("%s: launcher in kind read", path)
		}
	}
}

func TestFlags(t *testing.T) {
	src := `version: 1
defaultAction: allow
baseline: none
%srules:
  - {action: file.*, path: /a, decision: allow}
  - {action: file.*, path: /b, decision: audit}
  - {action: file.*, path: /c, decision: deny}
`
	floor := mustParse(t, rule("action: file.read, path: /f, decision: deny"))
	type flags struct{ count, matched, floor bool }
	for _, tt := range []struct {
		audit string
		kind  Kind
		path  string
		want  flags
	}{
		{"", KindRead, "/a", flags{true, true, false}},
		{"", KindRead, "/b", flags{false, true, false}},
		{"", KindRead, "/c", flags{false, true, false}},
		{"", KindRead, "/d", flags{true, false, false}},
		{"", KindRead, "/f", flags{false, true, true}},
		{"", KindWrite, "/a", flags{false, true, false}},
		{"", KindMap, "/a", flags{true, false, false}},
		{"", KindExec, "/a", flags{false, false, false}},
		{"audit: {allow: each}\n", KindRead, "/a", flags{false, true, false}},
		{"audit: {allow: count}\n", KindWrite, "/a", flags{true, true, false}},
		{"audit: {file.write: {allow: count}}\n", KindWrite, "/a", flags{true, true, false}},
		{"audit: {file.write: {allow: count}}\n", KindRead, "/a", flags{true, true, false}},
		{"audit: {file.*: {allow: each}}\n", KindRead, "/a", flags{false, true, false}},
		{"audit: {allow: count, file.read: {allow: each, deny: each}}\n", KindRead, "/a", flags{false, true, false}},
	} {
		v := mustCompile(t, fmt.Sprintf(src, tt.audit), Options{Floor: floor}).Match(tt.kind, root(tt.path))
		if got := (flags{v.Count, v.Matched, v.Floor}); got != tt.want {
			t.Errorf("%q %s %s: %+v, want %+v", tt.audit, tt.kind, tt.path, got, tt.want)
		}
	}
}
