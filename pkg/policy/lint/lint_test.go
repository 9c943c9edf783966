package lint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/lint"
)

func check(t *testing.T, src string) []lint.Finding {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	tables, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return lint.Check(p, tables)
}

// brief is a finding in short: "4:5 error shadowed".
func brief(f lint.Finding) string {
	return fmt.Sprintf("%d:%d %s %s", f.Line, f.Col, f.Severity, f.Code)
}

func TestFindings(t *testing.T) {
	const head = "version: 1\nbaseline: none\nrules:\n"
	const tmp = "  - {action: file.*, path: /tmp/**, decision: allow}\n" // line 4
	for _, tt := range []struct {
		name, src string
		want      []string
	}{
		{"clean", head + tmp + "  - {action: network.request, host: api.example.com, port: 443, decision: allow}\n", nil},
		{
			"deny behind a wider allow",
			head + tmp + "  - {action: file.read, path: /data/**, decision: allow}\n  - {action: file.read, path: /data/secret/**, decision: deny}\n",
			[]string{"5:5 info sensitive-readable", "6:5 error deny-shadowed"},
		},
		{
			"several rules together shadow one",
			head + tmp + "  - {action: file.read, path: {endsWith: .a}, decision: deny}\n  - {action: file.read, path: '*.b', decision: deny}\n" +
				"  - {action: file.read, path: '/x/*.{a,b}', decision: allow}\n",
			[]string{"7:5 warning shadowed"},
		},
		{
			"not shadowed", // *.ac stays
			head + tmp + "  - {action: file.read, path: {endsWith: .a}, decision: deny}\n  - {action: file.read, path: '/x/*.a*', decision: allow}\n",
			[]string{"6:5 info sensitive-readable"},
		},
		{
			"duplicate",
			head + tmp + "  - {action: file.read, path: /d, decision: deny}\n  - {id: again, action: file.read, path: /d, decision: deny, reason: x}\n",
			[]string{"6:5 warning duplicate"},
		},
		{
			"dead for one action",
			head + tmp + "  - {action: file.read, path: /d, decision: allow}\n  - {action: [file.read, file.write], path: /d, decision: deny}\n",
			[]string{"6:5 error deny-shadowed"},
		},
		{
			"matches nothing",
			head + tmp + "  - {action: file.read, path: {startsWith: /a/, equals: /b}, decision: deny}\n  - {action: file.read, path: {in: []}, decision: allow}\n",
			[]string{"5:5 error matches-nothing", "6:5 warning matches-nothing"},
		},
		{
			"after its default",
			head + tmp + "  - {action: process.exec, decision: deny}\n  - {action: process.exec, decision: allow}\n  - {action: process.exec, path: /x, decision: allow}\n",
			[]string{"6:5 error after-default", "7:5 warning after-default"},
		},
		{
			"wide",
			head + tmp + "  - {action: file.write, path: /**, decision: allow}\n  - {action: process.exec, decision: allow}\n" +
				"  - {action: network.request, decision: allow}\n  - {action: network.request, cidr: '::/0', decision: allow}\n",
			[]string{
				"5:5 warning wide-write", "5:5 info write-without-read", "6:5 warning wide-exec", "7:5 warning wide-network",
				"8:5 warning after-default", "8:5 warning wide-network", "8:5 info cidr-no-names",
			},
		},
		{
			"hosts",
			head + tmp + "  - {action: network.request, host: {endsWith: [.a.example, b.example]}, decision: allow}\n  - {action: network.request, cidr: 10.0.0.0/8, port: 1, decision: allow}\n",
			[]string{"5:5 info host-any-port", "5:61 warning host-suffix", "6:5 info cidr-no-names"},
		},
		{
			"secrets",
			head + tmp + "  - {action: file.read, path: /var/run/secrets/kubernetes.io/serviceaccount/token, decision: allow}\n" +
				"  - {action: file.read, path: /root/**, decision: allow}\n  - {action: file.read, path: /app/.env, decision: allow}\n",
			[]string{"5:5 info secret-named", "6:5 warning secret-readable", "7:5 info secret-named"},
		},
		{
			"secrets denied first",
			head + tmp + "  - {action: file.read, path: '/root/.*/**', decision: deny}\n" +
				"  - {action: file.read, path: {glob: ['**/.*', '**/.*/**', '*.pem', '**/id_*/**']}, decision: deny}\n  - {action: file.read, path: /root/**, decision: allow}\n",
			nil,
		},
		{
			"by executable",
			head + tmp + "  - {action: file.write, path: /a/**, exe: /bin/git, decision: allow}\n  - {action: file.write, path: /a/b, exe: /bin/git, decision: deny}\n" +
				"  - {action: file.write, path: /a/b, exe: /bin/go, decision: deny}\n  - {action: file.write, path: /a/b, exe: '/usr/bin/g*', decision: deny}\n",
			[]string{"6:5 error deny-shadowed"},
		},
		{
			"by command",
			head + tmp + "  - {action: process.exec, command: git **, decision: deny}\n  - {action: process.exec, command: {startsWith: git push}, decision: allow}\n" +
				"  - {action: process.exec, command: go build, decision: allow}\n  - {action: process.exec, command: /bin/go test **, decision: allow}\n",
			[]string{"6:5 warning shadowed", "6:5 info command-by-name", "7:5 info command-by-name", "7:37 warning command-exact"},
		},
		{
			"by bound name",
			head + tmp + "  - {action: network.request, host: {endsWith: .a.example}, port: 443, decision: deny}\n  - {action: network.request, host: x.a.example, port: 443, decision: deny}\n",
			[]string{"6:5 warning shadowed"},
		},
		{
			"resolved and never connected",
			head + tmp + "  - {action: network.request, cidr: ['0.0.0.0/0', '::/0'], decision: deny}\n  - {action: network.request, host: x.example, port: 443, decision: allow}\n",
			[]string{"6:5 warning never-connects"},
		},
		{
			"relaxed",
			"version: 1\nbaseline: none\nbuiltin: {ptrace: allow}\nrules:\n" + tmp,
			[]string{"1:1 warning builtin-relaxed", "5:5 info sensitive-readable"},
		},
		{"no tmp, observe, default", "version: 1\nmode: observe\ndefaultAction: allow\nbaseline: none\n", []string{"1:1 warning default-allow", "1:1 info observe"}},
		{"no tmp", head + "  - {action: file.write, path: /out/**, decision: allow}\n", []string{"1:1 info no-tmp", "4:5 info write-without-read"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range check(t, tt.src) {
				got = append(got, brief(f))
				if f.Message == "" || f.Do == "" {
					t.Errorf("%+v says too little", f)
				}
			}
			// The rule for /tmp on line 4 is there to keep no-tmp away.
			got = slices.DeleteFunc(got, func(s string) bool { return s == "4:5 info sensitive-readable" })
			if d := cmp.Diff(tt.want, got); d != "" && len(tt.want)+len(got) > 0 {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestMessageNamesTheRules(t *testing.T) {
	found := check(t, "version: 1\nrules:\n  - {id: wide, action: file.read, path: /data/**, decision: allow}\n"+
		"  - {id: narrow, action: file.read, path: '/data/*/key', decision: deny}\n")
	i := slices.IndexFunc(found, func(f lint.Finding) bool { return f.Code == "deny-shadowed" })
	if i < 0 {
		t.Fatalf("%+v", found)
	}
	const want = "deny never matches: wide (line 3) decides before it; file.read /data/a/key is allowed by wide"
	if found[i].Rule != "narrow" || found[i].Message != want {
		t.Errorf("%+v", found[i])
	}
}

func BenchmarkCheck(b *testing.B) {
	var src strings.Builder
	src.WriteString("version: 1\nrules:\n")
	for i := range 1000 {
		switch i % 5 {
		case 0:
			fmt.Fprintf(&src, "  - {action: file.write, path: /srv/out/%d/**, decision: allow}\n", i)
		case 1:
			fmt.Fprintf(&src, "  - {action: process.exec, path: /opt/tools/t%d, decision: allow}\n", i)
		case 2:
			fmt.Fprintf(&src, "  - {action: network.request, host: {endsWith: .svc%d.example.com}, decision: allow}\n", i)
		case 3:
			fmt.Fprintf(&src, "  - {action: file.read, path: '*.k%d', decision: deny}\n", i%7) // mostly duplicates
		default:
			fmt.Fprintf(&src, "  - {action: file.read, path: /srv/data/%d/x.k1, decision: allow}\n", i) // all shadowed
		}
	}
	p, err := policy.Parse("bench.yaml", []byte(src.String()))
	if err != nil {
		b.Fatal(err)
	}
	t, err := policy.Compile(p, policy.Options{})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n = len(lint.Check(p, t))
	}
	b.ReportMetric(float64(n), "findings")
}
