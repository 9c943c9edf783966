package policy

import "testing"

// situation is a check with facts around the subject.
type situation struct {
	kind    Kind
	subject []byte
	facts   Facts
	rule    string
	allow   bool
}

func runSituations(t *testing.T, src string, o Options, situations []situation) {
	t.Helper()
	p := mustParse(t, src)
	tables, err := Compile(p, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range situations {
		for name, v := range map[string]Verdict{
			"tables": tables.MatchIn(s.kind, s.subject, classes(tables, s.facts)),
			"rules":  EvaluateIn(p, o, s.kind, s.subject, s.facts),
		} {
			if got := tables.Rules[v.Rule].Name; got != s.rule || v.Allow != s.allow {
				t.Errorf("%s say %s, allow %v for %s %q with %s; want %s, %v", name, got, v.Allow, s.kind, s.subject, s.facts.text(), s.rule, s.allow)
			}
		}
	}
}

func TestExe(t *testing.T) {
	git, sh := Facts{Exe: root("/usr/bin/git")}, Facts{Exe: root("/bin/sh")}
	inMemory, inVolume := Facts{Exe: NoPathSubject()}, Facts{Exe: volume("/cm/..2026_1/tool")}
	runSituations(t, `version: 1
baseline: none
rules:
  - {id: no, action: file.read, exe: "/**/sh", decision: deny, path: /a/secret}
  - {id: git, action: file.read, path: "/a/**", exe: /bin/git, decision: allow}
  - {id: tool, action: file.read, exe: {equals: /cm/tool}, decision: audit}
  - {id: net, action: network.request, exe: /usr/bin/git, decision: allow}
  - {id: load, action: process.exec, exe: /usr/bin/git, decision: allow}
`, Options{}, []situation{
		{KindRead, root("/a/x"), git, "git", true},
		{KindRead, root("/a/x"), sh, "default", false},
		{KindRead, root("/a/x"), Facts{}, "default", false},
		{KindRead, root("/a/x"), inMemory, "default", false},
		{KindRead, root("/a/secret"), sh, "no", false},
		{KindRead, root("/a/secret"), git, "git", true},
		{KindRead, root("/a/secret"), Facts{}, "no", false},
		{KindRead, root("/a/secret"), inMemory, "default", false},
		{KindRead, root("/x"), inVolume, "tool", true},
		{KindRead, root("/x"), Facts{Exe: root("/cm/..2026_1/tool")}, "default", false},
		{KindRead, NoPathSubject(), inVolume, "tool", true},
		{KindHost, HostSubject("a.example"), git, "net", true},
		{KindHost, HostSubject("a.example"), sh, "default", false},
		{KindAddr, addr("8.8.8.8", 6, 443), git, "net", true},
		{KindAddr, addr("8.8.8.8", 6, 443), Facts{}, "default", false},
		{KindAddr, addr("169.254.169.254", 6, 80), git, "builtin/metadata", false},
		{KindExec, root("/bin/ls"), git, "load", true},
		{KindMap, root("/opt/x.so"), git, "load", true},
		{KindMap, root("/opt/x.so"), sh, "default", false},
	})
}

// TestExeIsNoDefault: a rule with exe alone stands before the baseline, but for
// mappings, which go by paths.
func TestExeIsNoDefault(t *testing.T) {
	sh := Facts{Exe: root("/bin/sh")}
	runSituations(t, `version: 1
baseline: runtime
rules:
  - {id: general, action: "file.read", decision: allow}
  - {id: sh, action: [file.read, process.exec], exe: /bin/sh, decision: deny}
`, Options{}, []situation{
		{KindRead, root("/etc/passwd"), sh, "sh", false},
		{KindRead, root("/etc/passwd"), Facts{Exe: root("/bin/ls")}, "baseline/etc", true},
		{KindRead, root("/x"), Facts{Exe: root("/bin/ls")}, "general", true},
		{KindMap, root("/usr/lib/x86_64-linux-gnu/libc.so.6"), sh, "baseline/shared-objects", true},
		{KindMap, root("/x"), sh, "sh", false},
	})
}

func TestCommandPatterns(t *testing.T) {
	for _, tt := range []struct {
		matcher string
		yes, no [][]string // the program and its arguments
	}{
		{`go`, [][]string{{"/usr/bin/go"}}, [][]string{{"/usr/bin/go", "build"}, {"/usr/bin/gofoo"}, {"/usr/bin/go", ""}}},
		{`{startsWith: go}`, [][]string{{"/bin/go"}, {"/bin/go", "build", "x y"}}, [][]string{{"/bin/gofoo"}, {"/bin/sh", "go"}}},
		{`{startsWith: go build}`, [][]string{{"/bin/go", "build"}, {"/bin/go", "build", ""}}, [][]string{{"/bin/go", "builder"}, {"/bin/go", "build x"}, {"/bin/go"}}},
		{`{endsWith: "-n -l"}`, [][]string{{"/bin/a", "-n", "-l"}, {"/bin/a", "x", "-n", "-l"}}, [][]string{{"/bin/a", "-l", "-n"}, {"/bin/a", "-n", "-l", "x"}, {"/bin/a", "x-n", "-l"}}},
		{`{endsWith: a}`, [][]string{{"/bin/a"}, {"/bin/b", "a"}}, [][]string{{"/bin/a", "b"}}},
		{`{contains: "-c x"}`, [][]string{{"/bin/sh", "-c", "x"}, {"/bin/sh", "-e", "-c", "x", "y"}}, [][]string{{"/bin/sh", "-c", "y", "x"}, {"/bin/sh", "-c x"}}},
		{`{contains: sh -c}`, [][]string{{"/bin/sh", "-c"}, {"/bin/env", "sh", "-c", "x"}}, [][]string{{"/bin/bash", "-c"}}},
		{`{contains: /bin/sh}`, [][]string{{"/usr/bin/sh"}, {"/bin/env", "/bin/sh"}}, [][]string{{"/bin/env", "/usr/bin/sh"}, {"/bin/env", "sh"}}},
		{`{equals: "git push"}`, [][]string{{"/bin/git", "push"}}, [][]string{{"/bin/git", "push", "-f"}, {"/bin/git"}}},
		{`{equals: "a*b *"}`, [][]string{{"/bin/a*b", "*"}}, [][]string{{"/bin/axb", "x"}}},
		{`{in: [a b, "c d"]}`, [][]string{{"/bin/a", "b"}, {"/bin/c", "d"}}, [][]string{{"/bin/a", "d"}}},
		{`git *`, [][]string{{"/bin/git", "x"}, {"/bin/git", ""}, {"/bin/git", "a/b c"}}, [][]string{{"/bin/git"}, {"/bin/git", "a", "b"}}},
		{`git **`, [][]string{{"/bin/git"}, {"/bin/git", "a", "b"}}, [][]string{{"/bin/git2"}}},
		{`git ** -f`, [][]string{{"/bin/git", "-f"}, {"/bin/git", "a", "b", "-f"}}, [][]string{{"/bin/git", "-f", "a"}}},
		{`** -f`, [][]string{{"/bin/git", "-f"}, {"/bin/-f"}}, [][]string{{"/bin/git"}}},
		{`**`, [][]string{{"/bin/git"}, {"/bin/git", "x"}}, nil},
		{`{git,hg} {pull,fetch{, --all}}`, [][]string{{"/bin/git", "pull"}, {"/bin/hg", "fetch", "--all"}}, [][]string{{"/bin/git", "pull", "--all"}}},
		{`echo a\ b`, [][]string{{"/bin/echo", "a b"}}, [][]string{{"/bin/echo", "a", "b"}}},
		{`echo [a\ ]`, [][]string{{"/bin/echo", " "}, {"/bin/echo", "a"}}, [][]string{{"/bin/echo", "\\"}}},
		{`echo [!a]`, [][]string{{"/bin/echo", " "}, {"/bin/echo", "/"}, {"/bin/echo", "\xff"}}, [][]string{{"/bin/echo", "a"}, {"/bin/echo", ""}}},
		{`echo ?`, [][]string{{"/bin/echo", "/"}, {"/bin/echo", "\n"}}, [][]string{{"/bin/echo", ""}, {"/bin/echo", "é"}}},
		{`*`, [][]string{{"/bin/x"}}, [][]string{{"/bin/x", ""}}},
		{`/usr/bin/go *`, [][]string{{"/usr/bin/go", "x"}, {"/bin/go", "x"}}, [][]string{{"/usr/local/bin/go", "x"}}},
		{`/app/** *`, [][]string{{"/app/a/b", "x"}}, [][]string{{"/app2/a", "x"}}},
		{`{startsWith: /app/run}`, [][]string{{"/app/run", "x"}}, [][]string{{"/app/run2"}, {"/bin/run"}}},
		{`{startsWith: git, contains: "-f"}`, [][]string{{"/bin/git", "x", "-f"}}, [][]string{{"/bin/git", "x"}, {"/bin/hg", "-f"}}},
		{`{in: []}`, nil, [][]string{{"/bin/a"}}},
	} {
		matcher := tt.matcher
		if matcher[0] != '{' || matcher[1] == 'g' && matcher[2] == 'i' { // a plain string is short for glob
			matcher = "'" + matcher + "'"
		}
		for _, decision := range []string{"allow", "deny", "audit"} {
			src := "version: 1\nbaseline: none\nrules:\n  - {id: r, action: process.exec, decision: " + decision + ", command: " + matcher + "}\n"
			var situations []situation
			add := func(commands [][]string, rule string, allow bool) {
				for _, c := range commands {
					f := Facts{Command: CommandSubject(false, c[0], c[1:])}
					situations = append(situations, situation{KindExec, root(c[0]), f, rule, allow})
				}
			}
			add(tt.yes, "r", decision != "deny")
			add(tt.no, "default", false)
			t.Run(decision+" "+tt.matcher, func(t *testing.T) { runSituations(t, src, Options{}, situations) })
		}
	}
}

// TestCommandPlaces: what a base name lets run is a standard program; what it
// denies lies anywhere.
func TestCommandPlaces(t *testing.T) {
	run := func(path string, args ...string) situation {
		return situation{KindExec, root(path), Facts{Command: CommandSubject(false, path, args)}, "", false}
	}
	expect := func(s situation, rule string, allow bool) situation {
		s.rule, s.allow = rule, allow
		return s
	}
	runSituations(t, "version: 1\nbaseline: none\nrules:\n- {id: deny, action: process.exec, command: 'rm **', decision: deny}\n- {id: any, action: process.exec, command: {contains: -v}, decision: allow}\n- {id: go, action: process.exec, command: 'go *', decision: allow}\n"+
		"- {id: with-path, action: process.exec, path: '/app/**', command: 'go *', decision: allow}\n- {id: full, action: process.exec, command: '/opt/go *', decision: audit}\n- {id: later, action: process.exec, command: '** /opt/x', decision: allow}\n", Options{}, []situation{
		expect(run("/bin/go", "x"), "go", true),
		expect(run("/usr/local/sbin/go", "x"), "go", true),
		expect(run("/usr/local/go", "x"), "default", false),
		expect(run("/usr/bin/x/go", "x"), "default", false),
		expect(run("/tmp/bin/go", "x"), "default", false),
		expect(run("/app/output/go", "x"), "with-path", true),
		expect(run("/opt/go", "x"), "full", true),
		expect(run("/opt/go", "-v", "x"), "default", false),
		expect(run("/bin/ls", "-v", "x"), "any", true),
		expect(run("/tmp/ls", "-v", "x"), "default", false),
		expect(run("/tmp/rm", "-v"), "deny", false),
		expect(run("/opt/x"), "default", false),
		expect(run("/bin/env", "/opt/x"), "later", true),
	})
}

func TestUnknownCommand(t *testing.T) {
	unknown := func(k Kind, subject []byte, rule string) situation {
		return situation{k, subject, Facts{}, rule, false}
	}
	src := `version: 1
baseline: none
defaultAction: allow
rules:
  - {id: rm, action: process.exec, command: 'rm **', decision: deny}
  - {id: full, action: process.exec, command: {startsWith: /opt/x y}, decision: deny}
  - {id: ok, action: process.exec, command: '**', decision: allow}
  - {id: some, action: process.exec, path: '/srv/**', command: {contains: --evil}, decision: deny}
  - {id: rest, action: process.exec, decision: deny}
`
	runSituations(t, src, Options{}, []situation{
		unknown(KindExec, root("/bin/rm"), "rm"),
		unknown(KindExec, root("/tmp/rm"), "rm"),
		unknown(KindExec, root("/opt/x"), "full"),
		unknown(KindExec, root("/srv/a"), "some"),
		unknown(KindExec, root("/bin/ls"), "rest"),
		{KindExec, root("/bin/ls"), Facts{Command: CommandSubject(false, "/bin/ls", nil)}, "ok", true},
		// A rule about commands says nothing about mappings.
		unknown(KindMap, root("/bin/rm"), "rest"),
	})
}

func TestCommandOfAProgramWithoutAPath(t *testing.T) {
	none := func(args ...string) Facts { return Facts{Command: NoPathCommandSubject(args)} }
	runSituations(t, `version: 1
baseline: none
rules:
  - {id: args, action: process.exec, command: {contains: --evil}, decision: deny}
  - {id: name, action: process.exec, command: 'x **', decision: deny}
  - {id: every, action: process.exec, command: '**', decision: allow}
  - {id: rest, action: process.exec, decision: allow}
`, Options{}, []situation{
		{KindExec, NoPathSubject(), none("a", "--evil"), "args", false},
		{KindExec, NoPathSubject(), Facts{}, "args", false},
		{KindExec, NoPathSubject(), none("x"), "rest", true},
	})
}

func TestBoundNames(t *testing.T) {
	bound := func(name string) Facts { return Facts{Name: HostSubject(name)} }
	runSituations(t, `version: 1
baseline: none
rules:
  - {id: bad, action: network.request, host: {endsWith: .evil.example}, decision: deny}
  - {id: api, action: network.request, host: {in: [api.example, 10.0.0.9]}, port: 443, decision: allow}
  - {id: near, action: network.request, host: "*.lan", cidr: 10.0.0.0/8, decision: allow}
  - {id: meta, action: network.request, host: meta.example, cidr: 169.254.169.254/32, decision: allow}
`, Options{}, []situation{
		{KindAddr, addr("8.8.8.8", 6, 443), bound("api.example"), "api", true},
		{KindAddr, addr("8.8.8.8", 6, 80), bound("api.example"), "default", false},
		{KindAddr, addr("8.8.8.8", 6, 443), bound("x.example"), "default", false},
		{KindAddr, addr("8.8.8.8", 6, 443), Facts{}, "default", false},
		{KindAddr, addr("10.0.0.9", 6, 443), Facts{}, "api", true},
		{KindAddr, addr("10.0.0.9", 6, 443), bound("x.evil.example"), "bad", false},
		{KindAddr, addr("10.1.0.1", 17, 53), bound("a.lan"), "near", true},
		{KindAddr, addr("11.1.0.1", 17, 53), bound("a.lan"), "default", false},
		{KindAddr, addr("169.254.169.254", 6, 443), bound("api.example"), "builtin/metadata", false},
		{KindAddr, addr("169.254.169.254", 6, 443), bound("meta.example"), "meta", true},
		{KindAddr, addr("169.254.169.254", 6, 443), Facts{}, "builtin/metadata", false},
	})
}

// TestFloorAudits: what a floor audits is recorded one by one, whatever decides.
func TestFloorAudits(t *testing.T) {
	floor := mustParseFloor(t, `version: 1
rules:
  - {action: file.read, path: "/a/**", exe: /bin/cat, decision: audit}
  - {action: file.read, path: /a/no, decision: deny}
`)
	p := mustParse(t, "version: 1\nbaseline: none\nrules: [{id: r, action: file.read, path: {startsWith: /}, decision: allow}]\n")
	o := Options{Floor: floor}
	tables, err := Compile(p, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, exe string
		rule      string
		count     bool
	}{
		{"/a/x", "/bin/cat", "r", false},
		{"/a/x", "", "r", false},
		{"/a/x", "/bin/ls", "r", true},
		{"/b", "/bin/cat", "r", true},
		{"/a/no", "/bin/cat", "floor/rules[1]", false},
	} {
		f := Facts{}
		if tt.exe != "" {
			f.Exe = root(tt.exe)
		}
		for name, v := range map[string]Verdict{"tables": tables.MatchIn(KindRead, root(tt.path), classes(tables, f)), "rules": EvaluateIn(p, o, KindRead, root(tt.path), f)} {
			if got := tables.Rules[v.Rule].Name; got != tt.rule || v.Count != tt.count {
				t.Errorf("%s by %q: %s say %s, counted %v; want %s, %v", tt.path, tt.exe, name, got, v.Count, tt.rule, tt.count)
			}
		}
	}
}
