package dialect

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// imported runs Import and holds what is true of every import: the result
// parses strictly and imports to itself.
func imported(t *testing.T, src string) *Result {
	t.Helper()
	res, err := Import("in.yaml", []byte(src), Options{Now: now})
	if err != nil {
		t.Fatalf("%v in\n%s", err, src)
	}
	if res.YAML == nil {
		if len(res.Refused) == 0 {
			t.Fatalf("neither a policy nor a refusal:\n%s", src)
		}
		return res
	}
	if _, err := policy.Parse("out", res.YAML); err != nil {
		t.Errorf("the result does not parse: %v\n%s", err, res.YAML)
	}
	again, err := Import("out", res.YAML, Options{Now: now})
	if err != nil || string(again.YAML) != string(res.YAML) || len(again.Notes)+len(again.Refused) > 0 {
		t.Errorf("a second import changes something: %v, %+v\n%s", err, again, res.YAML)
	}
	return res
}

// rulesOf is the part of the text behind "rules:", joined to one line.
func rulesOf(res *Result) string {
	_, rules, _ := strings.Cut(string(res.YAML), "rules:\n")
	rules = strings.ReplaceAll(rules, "\n    ", ", ")
	return strings.TrimSpace(strings.ReplaceAll(rules, "  - ", "- "))
}

// in writes a rule of another dialect.
func in(rule string) string { return "version: 1\nrules:\n  - {" + rule + "}\n" }

// TestTable has every row of the table of dialects.
func TestTable(t *testing.T) {
	for _, tt := range []struct{ rule, want string }{
		{"action: file.read, effect: allow, path: /a", "- action: file.read, path: /a, decision: allow"},
		{"action: file.read, effect: ALLOW", "- action: file.read, decision: allow"},
		{"action: file.read, decision: DENY", "- action: file.read, decision: deny"},
		{"action: file.read, effect: block", "- action: file.read, decision: deny"},
		{"action: file.read, effect: audit", "- action: file.read, decision: audit"},
		{"action: file.read, effect: allow, audit: true", "- action: file.read, decision: audit"},
		{"action: file.read, effect: deny, audit: true", "- action: file.read, decision: deny"},
		{"action: file.read, effect: allow, audit: false", "- action: file.read, decision: allow"},
		{"action: file.read, effect: require_approval, reason: ask Eve", `- action: file.read, decision: deny, reason: "ask Eve"`},
		{"action: file.read, effect: prompt", `- action: file.read, decision: deny, reason: "needs approval (prompt)"`},
		{"action: file.read, decision: human_review", `- action: file.read, decision: deny, reason: "needs approval (human_review)"`},
		{"action: file.read, effect: escalate, message: m", "- action: file.read, decision: deny, reason: m"},
		{"action: file_read, decision: deny", "- action: file.read, decision: deny"},
		{"action: 'file:read', decision: deny", "- action: file.read, decision: deny"},
		{"action: safe.read.file, decision: deny", "- action: file.read, decision: deny"},
		{"action: filesystem.read, decision: deny", "- action: file.read, decision: deny"},
		{"action: [file_write, 'file:write', filesystem.write], decision: deny", "- action: [file.write, file.write, file.write], decision: deny"},
		{"action: dangerous.delete, decision: deny", "- action: file.delete, decision: deny"},
		{"action: shell_exec, decision: deny", "- action: process.exec, decision: deny"},
		{"action: shell_execute, decision: deny", "- action: process.exec, decision: deny"},
		{"action: shell.exec, decision: deny", "- action: process.exec, decision: deny"},
		{"action: shell.execute, decision: deny", "- action: process.exec, decision: deny"},
		{"action: 'shell:execute', decision: deny", "- action: process.exec, decision: deny"},
		{"action: code.exec, decision: deny", "- action: process.exec, decision: deny"},
		{"action: bash.execute, decision: deny", "- action: process.exec, decision: deny"},
		{"action: network, decision: deny", "- action: network.request, decision: deny"},
		{"action: network_request, decision: deny", "- action: network.request, decision: deny"},
		{"action: 'network:request', decision: deny", "- action: network.request, decision: deny"},
		{"action: network.http, decision: deny", "- action: network.request, decision: deny"},
		{"action: '*', decision: deny", `- action: ["file.*", process.exec, network.request], decision: deny`},
		{"action: file_read, target: /a/**, decision: deny", `- action: file.read, path: "/a/**", decision: deny`},
		{"action: file_read, resource: /a, decision: deny", "- action: file.read, path: /a, decision: deny"},
		{"action: file_read, paths: [/a, /b], decision: deny", "- action: file.read, path: {glob: [/a, /b]}, decision: deny"},
		{"action: file_read, path: [/a], decision: deny", "- action: file.read, path: /a, decision: deny"},
		{"action: file_read, match: {path: /a}, decision: deny", "- action: file.read, path: /a, decision: deny"},
		{"action: file_read, conditions: {path: {pattern: /a}}, decision: allow", "- action: file.read, path: {equals: /a}, decision: allow"},
		{"action: file_read, conditions: {path: {pattern: /a}}, decision: deny", "- action: file.read, path: {contains: /a}, decision: deny"},
		{"action: file_read, conditions: {path: {pattern: '/a/**'}}, decision: deny", `- action: file.read, path: "/a/**", decision: deny`},
		{"action: network, domain: a.x, decision: allow", "- action: network.request, host: a.x, decision: allow"},
		{"action: network, destination: {in: [a.x, b.x]}, decision: allow", "- action: network.request, host: {in: [a.x, b.x]}, decision: allow"},
		{"action: network, target: a.x, decision: allow", "- action: network.request, host: a.x, decision: allow"},
		{"action: network, domain: '*.x', decision: allow", `- action: network.request, host: "*.x", decision: allow`},
		{"action: network, domain: '*.x', decision: deny", `- action: network.request, host: {endsWith: ".x"}, decision: deny`},
		{"action: network, url: 'https://a.x/v1/*', decision: allow", "- action: network.request, host: a.x, port: 443, decision: allow"},
		{"action: network, url: 'https://a.x/', decision: deny", "- action: network.request, host: a.x, decision: deny"},
		{"action: network, url: ['http://a.x:81', 'https://b.x:8443'], decision: deny", "- action: network.request, host: {glob: [a.x, b.x]}, port: [81, 8443], decision: deny"},
		{"action: network, url: {starts_with: ['https://a.x', 'https://b.x/v1']}, decision: allow", "- action: network.request, host: {in: [a.x, b.x]}, port: 443, decision: allow"},
		{"action: network, url: {starts_with: 'https://a.x/'}, decision: deny", "- action: network.request, host: {equals: a.x}, decision: deny"},
		{"action: network.request, host: '*.x', effect: deny", `- action: network.request, host: {endsWith: ".x"}, decision: deny`},
		{"action: network.request, host: '*.x', effect: allow", `- action: network.request, host: "*.x", decision: allow`},
		{"action: shell.exec, command: 'rm *', decision: deny", `- action: process.exec, command: "rm **", decision: deny`},
		{"action: process.exec, command: '*', effect: deny", `- action: process.exec, command: "**", decision: deny`},
		{"action: process.exec, command: {startsWith: gi}, effect: deny", `- action: process.exec, command: "gi* **", decision: deny`},
		{"action: shell.exec, command: 'rm *', decision: allow", `- action: process.exec, command: "rm *", decision: allow`},
		{"action: network, destination: '10.0.0.5:5432', decision: allow", `- action: network.request, host: "10.0.0.5", port: 5432, decision: allow`},
		{"action: network, destination: '::1', decision: allow", `- action: network.request, host: "::1", decision: allow`},
		{"action: network, domain: a.x, port: 1, protocol: tcp, decision: allow", "- action: network.request, host: a.x, port: 1, protocol: tcp, decision: allow"},
		{"action: shell.exec, target: 'git push *', decision: deny", `- action: process.exec, command: "git push **", decision: deny`},
		{"action: shell.exec, target: /usr/bin/git, decision: allow", "- action: process.exec, path: /usr/bin/git, decision: allow"},
		{"action: shell.exec, match: {command: '*sudo*'}, decision: deny", `- action: process.exec, command: "** *sudo* **", decision: deny`},
		{"action: shell.exec, command: {starts_with: git push}, decision: allow", `- action: process.exec, command: {startsWith: "git push"}, decision: allow`},
		{"action: shell.exec, command: {starts_with: 'rm '}, decision: deny", "- action: process.exec, command: {startsWith: rm}, decision: deny"},
		{"action: shell.exec, command: {starts_with: 'git '}, decision: allow", `- action: process.exec, command: "git * **", decision: allow`},
		{"action: shell.exec, command: {starts_with: ['rm ', go]}, decision: deny", `- action: process.exec, command: {glob: ["rm **", "go* **"]}, decision: deny`},
		{"action: shell.exec, command: {starts_with: rm -r}, decision: deny", `- action: process.exec, command: "rm -r* **", decision: deny`},
		{"action: shell.exec, command: {matches: sudo}, decision: deny", `- action: process.exec, command: "** *sudo* **", decision: deny`},
		{"action: shell.exec, target: {ends_with: x}, decision: deny", `- action: process.exec, command: "** *x", decision: deny`},
		{"action: shell.exec, target: {contains: rm -rf}, decision: allow", `- action: process.exec, command: {contains: "rm -rf"}, decision: allow`},
		{"action: file.read, path: {starts_with: /a}, decision: allow", "- action: file.read, path: {startsWith: /a}, decision: allow"},
		{"action: file.read, path: {eq: /a}, decision: allow", "- action: file.read, path: {equals: /a}, decision: allow"},
		{"action: file.read, path: {equals: /a}, effect: allow", "- action: file.read, path: {equals: /a}, decision: allow"},
		{"action: file.read, path: {eq: [/a, /b]}, decision: allow", "- action: file.read, path: {in: [/a, /b]}, decision: allow"},
		{"action: file.read, path: {matches: '^/a/.*'}, decision: allow", "- action: file.read, path: {startsWith: /a/}, decision: allow"},
		{"action: file.read, path: {regex: '^/a/.+$'}, decision: allow", "- action: file.read, path: {startsWith: /a/}, decision: allow"},
		{"action: file.read, path: {pattern: '\\.env$'}, decision: deny", `- action: file.read, path: {endsWith: ".env"}, decision: deny`},
		{"action: file.read, path: {regex: '^/etc/passwd$'}, decision: deny", "- action: file.read, path: {equals: /etc/passwd}, decision: deny"},
		{"action: file.read, path: {regex: '.*/secrets/.*'}, decision: deny", "- action: file.read, path: {contains: /secrets/}, decision: deny"},
		{"action: network, host: {matches: '(?i)^A\\.x$'}, decision: deny", "- action: network.request, host: {equals: a.x}, decision: deny"},
		{"action: file.read, decision: deny, message: m", "- action: file.read, decision: deny, reason: m"},
		{"action: file.read, decision: deny, description: 'a: b', reason: r", `- action: file.read, decision: deny, reason: "a: b; r"`},
		{"action: file.read, decision: deny, reason: null", "- action: file.read, decision: deny"},
		{"id: a b, action: file.read, decision: deny", "- id: a-b, action: file.read, decision: deny"},
		{"name: Block all, action: file.read, decision: deny", "- id: Block-all, action: file.read, decision: deny"},
	} {
		res := imported(t, in(tt.rule))
		if got := rulesOf(res); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s\n%+v", tt.rule, got, tt.want, res.Refused)
		}
		if len(res.Notes) == 0 || len(res.Refused) > 0 {
			t.Errorf("%s: notes %+v, refused %+v", tt.rule, res.Notes, res.Refused)
		}
		for _, n := range res.Notes {
			if n.Line != 3 || n.Col < 5 || n.Rule == "" || n.Text == "" {
				t.Errorf("%s: a note without a place: %+v", tt.rule, n)
			}
		}
	}
}

func TestDocument(t *testing.T) {
	const rest = "rules: []\n"
	for _, tt := range []struct{ src, want string }{
		{"default: allow\n", "version: 1\ndefaultAction: allow\n" + rest},
		{"version: 1\ndefaultEffect: DENY\n", "version: 1\ndefaultAction: deny\n" + rest},
		{"version: 1\npolicy: {default: deny}\n", "version: 1\ndefaultAction: deny\n" + rest},
		{"version: v3\nid: x\nname: y\ndescription: z\n", "version: 1\n" + rest},
		{"version: 1\ndefault: require_approval\n", "version: 1\ndefaultAction: deny\n" + rest},
		{"version: '1.0'\nmode: observe\naudit: {file.read: {allow: each}}\n", "version: 1\nmode: observe\naudit: {file.read: {allow: each}}\n" + rest},
	} {
		res := imported(t, tt.src)
		if string(res.YAML) != tt.want || len(res.Notes) == 0 {
			t.Errorf("%q: got\n%s\n%+v", tt.src, res.YAML, res)
		}
	}
}

// TestRefused: what a kernel cannot enforce, and what would be a guess.
func TestRefused(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{in("action: file.read, decision: allow, path: {matches: '^/a/.*\\.py$'}"), "is more than a beginning"},
		{in("action: file.read, decision: allow, path: {matches: '^/(a|b)/x+'}"), "is more than a beginning"},
		{in("action: file.read, decision: deny, path: {matches: 'evil.com'}"), "stands for any character"},
		{in("action: file.read, decision: deny, path: {matches: '(?i)secret'}"), "ignores case"},
		{in("action: file.read, decision: deny, path: {matches: '.*'}"), "matches everything"},
		{in("action: file.read, decision: deny, path: {matches: '('}"), "no regular expression"},
		{in("action: file.read, decision: deny, path: {pattern: '/a/.*'}"), "may be a glob or a regular expression"},
		{in("action: file.read, decision: allow, schedule: {hoursUtc: '9-17'}"), "a schedule"},
		{in("action: file.read, decision: allow, expiresAt: '2027-01-01T00:00:00Z'"), "expires on 2027"},
		{in("action: file.read, decision: deny, expiresAt: '2027-01-01'"), "expires on 2027"},
		{in("action: file.read, decision: deny, expiresAt: soon"), "is no date"},
		{in("action: file.read, decision: deny, when: now"), `unknown field "when"`},
		{in("action: email.send, decision: deny"), "the kernel has no action"},
		{in("action: [], effect: deny"), "an empty list of actions"},
		{in("action: file.read, effect: maybe"), "unknown decision"},
		{in("action: file.read, effect: allow, decision: deny"), "given twice"},
		{in("action: file.read"), "a rule without decision"},
		{in("decision: deny"), "a rule without action"},
		{in("action: file_read, decision: allow, path: ./src/**"), "relative pattern"},
		{in("action: file_read, decision: allow, path: {like: /a}"), "unknown operator"},
		{in("action: [file_read, network], decision: allow, target: /a"), "a path for some of these actions"},
		{in("action: network, decision: allow, domain: {contains: openai}"), "match names of other owners"},
		{in("action: network, decision: allow, domain: 10.0.0.0/8"), "address range"},
		{in("action: network, decision: allow, url: 'https://u:p@a.x'"), "a URL with a user name"},
		{in("action: shell.exec, decision: deny, target: 'a*b c'"), "a * within a word"},
		{in("action: network, decision: allow, url: ['http://a.x', 'https://b.x:8443']"), "different ports"},
		{in("action: network, decision: allow, destination: ['a.x:443', b.x]"), "different ports"},
		{in("action: network, decision: deny, url: {starts_with: 'https://a.x'}"), "ends within its host"},
		{in("action: network, decision: allow, url: {starts_with: 'https://api.'}"), "ends within its host"},
		{in("action: network, decision: deny, domain: {starts_with: ['https://a.x/', evil.]}"), "the beginning of a name"},
		{in("action: network, decision: deny, url: 'https://a.x*'"), "several labels"},
		{in("action: network, decision: deny, domain: 'api-*.x'"), "several labels"},
		{in("action: file.read, decision: allow, path: {starts_with: /a, startsWith: /b}"), "two conditions startsWith"},
		{"version: 1\nrule: []\n", `unknown field "rule"`},
		{"version: 1\ndefault: audit\n", "not allow or deny"},
		{"version: 1\ndefault: deny\ndefaultAction: allow\n", "given twice"},
		{"[1]\n", "a policy is a map"},
		{"version: 1\nrules: {}\n", "rules must be a list"},
		{"version: 1\nmode: perhaps\nname: x\n", `unknown mode "perhaps"`},
	} {
		res := imported(t, tt.src)
		if res.YAML != nil || len(res.Refused) == 0 || !strings.Contains(res.Refused[0].Text, tt.want) {
			t.Errorf("%s: want %q, got %+v\n%s", tt.src, tt.want, res.Refused, res.YAML)
		}
	}
}

// TestExpired: a rule that is over is left out, and said so.
// TestManyRefused: what the parser refuses again and again ends the import soon.
func TestManyRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nrules:\n")
	for i := range 400 {
		fmt.Fprintf(&b, "- {action: file.read, path: '/x%d/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}', decision: deny}\n", i)
	}
	for _, partial := range []bool{false, true} {
		res, err := Import("x.yaml", []byte(b.String()), Options{Now: now, Partial: partial})
		if err != nil {
			t.Fatal(err)
		}
		if last := res.Refused[0]; res.YAML != nil || len(res.Refused) > 2*maxRounds || !strings.Contains(last.Text, "more rules are refused") {
			t.Errorf("partial %v: printed %v, %d refusals, the first %q", partial, res.YAML != nil, len(res.Refused), last.Text)
		}
	}
}

func TestExpired(t *testing.T) {
	res := imported(t, in("id: old, action: file.read, decision: allow, expiresAt: '2026-06-01T12:00:00Z'"))
	if rulesOf(res) != "" || len(res.Notes) != 1 || res.Notes[0].Rule != "old" {
		t.Errorf("%+v\n%s", res, res.YAML)
	}
}

func TestPartial(t *testing.T) {
	src := "version: 1\nrules:\n  - {id: a, action: file_read, path: ./x/y, effect: deny}\n  - {id: b, action: file_read, path: /x, effect: allow}\n" +
		"  - {id: c, action: file_read, schedule: {}, effect: allow}\n"
	res, err := Import("f", []byte(src), Options{Now: now, Partial: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.Parse("out", res.YAML); err != nil {
		t.Errorf("%v\n%s", err, res.YAML)
	}
	for _, want := range []string{"# not imported: a (line 3)", "- id: b", "# not imported: c (line 5)"} {
		if !strings.Contains(string(res.YAML), want) {
			t.Errorf("%q is missing:\n%s", want, res.YAML)
		}
	}
	if len(res.Refused) != 2 || res.Notes[0].Rule != "b" {
		t.Errorf("%+v", res)
	}
}

const jsonPolicy = `{
	"id": "p1", "version": "v3", "name": "demo", "defaultEffect": "deny",
	"rules": [
		{"id": "read", "effect": "allow", "description": "its data", "condition": {"all": [
			{"field": "action.type", "operator": "eq", "value": "file.read"},
			{"field": "action.resource", "operator": "startsWith", "value": "/app/data/"}]}},
		{"id": "shell", "effect": "require_approval", "condition": {"field": "action.type", "operator": "startsWith", "value": "shell."}},
		{"id": "types", "effect": "deny", "condition": {"any": [
			{"field": "action.type", "operator": "eq", "value": "filesystem.write"},
			{"field": "action.type", "operator": "in", "value": ["dangerous.delete"]}]}},
		{"id": "either", "effect": "deny", "condition": {"all": [
			{"field": "action.type", "operator": "matches", "value": "^file\\."},
			{"any": [
				{"field": "action.resource", "operator": "contains", "value": "/.ssh/"},
				{"field": "action.resource", "operator": "matches", "value": "\\.pem$"}]}]}},
		{"id": "untyped", "effect": "deny", "condition": {"field": "action.resource", "operator": "eq", "value": "/etc/shadow"}},
		{"id": "net", "effect": "allow", "condition": {"all": [
			{"field": "action.type", "operator": "eq", "value": "network.http"},
			{"field": "action.resource", "operator": "startsWith", "value": "https://api.openai.com/v1"}]}},
		{"id": "old", "effect": "allow", "expiresAt": "2020-01-01T00:00:00Z", "condition": {"field": "action.type", "operator": "eq", "value": "file.read"}},
		{"id": "never", "effect": "allow", "condition": {"any": []}}
	]
}`

func TestJSON(t *testing.T) {
	res := imported(t, jsonPolicy)
	want := `version: 1
defaultAction: deny
rules:
  - id: read
    action: file.read
    path: {startsWith: /app/data/}
    decision: allow
    reason: "its data"
  - id: shell
    action: process.exec
    decision: deny
    reason: "needs approval (require_approval)"
  - id: types
    action: [file.write, file.delete]
    decision: deny
  - id: either
    action: "file.*"
    path: {contains: /.ssh/}
    decision: deny
  - id: either-2
    action: "file.*"
    path: {endsWith: ".pem"}
    decision: deny
  - id: untyped
    action: ["file.*", process.exec]
    path: {equals: /etc/shadow}
    decision: deny
  - id: net
    action: network.request
    host: {equals: api.openai.com}
    port: 443
    decision: allow
`
	if d := cmp.Diff(want, string(res.YAML)); d != "" {
		t.Errorf("(-want +got):\n%s\n%+v", d, res.Refused)
	}
}

func TestJSONRefused(t *testing.T) {
	rule := func(condition string) string {
		return `{"version": "v3", "rules": [{"id": "r", "effect": "deny", "condition": ` + condition + "}]}"
	}
	for _, tt := range []struct{ src, want string }{
		{rule(`{"field": "user.id", "operator": "eq", "value": "x"}`), "does not know"},
		{rule(`{"field": "action.type", "operator": "neq", "value": "x"}`), "unknown operator"},
		{rule(`{"field": "action.type", "operator": "eq", "value": "mail.send"}`), "has no action"},
		{rule(`{"field": "action.type", "operator": "startsWith", "value": "mail."}`), "has no action"},
		{rule(`{"not": []}`), "a condition is"},
		{rule(`{"all": []}`), "a condition of nothing"},
		{rule(`{"field": "action.type", "operator": "eq"}`), "without operator or value"},
		{rule(`{"field": "action.resource", "operator": "contains", "value": "x"}`), "a path for some of these actions"},
		{rule(`{"all": [{"field": "action.type", "operator": "eq", "value": "file.read"}, {"field": "action.type", "operator": "eq", "value": "file.write"}]}`), "no action is of all these types"},
		{`{"rules": [{"effect": "allow", "schedule": {"daysOfWeek": [1]}, "condition": {"field": "action.type", "operator": "eq", "value": "file.read"}}]}`, "a schedule"},
	} {
		res := imported(t, tt.src)
		if len(res.Refused) == 0 || !strings.Contains(res.Refused[0].Text, tt.want) {
			t.Errorf("%s: %+v", tt.src, res.Refused)
		}
	}
	for _, src := range []string{`{"a": 1, "a": 2}`, `{"a": }`, `{} {}`, `{"a": 1`, strings.Repeat("[", 100), ""} {
		if _, err := Import("f", []byte(src), Options{Now: now}); err == nil {
			t.Errorf("%s is read", src)
		}
	}
	_, err := Import("f", []byte("{\n \"a\": 1,\n \"a\": 2}"), Options{Now: now})
	if err == nil || !strings.HasPrefix(err.Error(), "f:3:") {
		t.Errorf("%v", err)
	}
}

// TestCanonicalUnchanged: canonical text comes back byte for byte, and also the
// way through the translation changes nothing about it.
func TestCanonicalUnchanged(t *testing.T) {
	files, err := filepath.Glob("../../../deploy/examples/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	docs := map[string]string{"fields": `version: 1
defaultAction: allow
mode: observe
builtin: {ptrace: allow}
dns: {types: [TXT, null], tcp: allow}
audit: {allow: each}
rules:
  - {id: a, action: [file.read, "file.*"], path: {glob: [/a, "/b/**"], endsWith: x}, exe: /bin/x, decision: audit}
  - {action: process.exec, command: {startsWith: go build}, path: /usr/bin/go, decision: allow, reason: "yes"}
  - {action: process.exec, command: "rm *", decision: deny, reason: ""}
  - {action: network.request, host: {in: [a.x, "::1"]}, port: ["1-2", 3], protocol: [tcp, udp], cidr: ["10.0.0.0/8"], decision: deny}
`}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		docs[f] = string(src)
	}
	for name, src := range docs {
		p, err := policy.Parse(name, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		res := imported(t, src)
		if string(res.YAML) != string(p.Source) || len(res.Notes) > 0 {
			t.Errorf("%s is changed: %+v", name, res.Notes)
		}
		root, err := policy.Tree(name, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		im := importer{now: now, ids: map[string]bool{}}
		im.document(root)
		res = im.finish(root, false)
		if len(res.Notes)+len(res.Refused) > 0 {
			t.Errorf("%s: %+v", name, res)
		}
		q, err := policy.Parse(name, res.YAML)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Rules {
			if a, b := p.Rules[i].Text(), q.Rules[i].Text(); a != b || p.Rules[i].ID != q.Rules[i].ID || p.Rules[i].Reason != q.Rules[i].Reason {
				t.Errorf("%s: %s became %s", name, a, b)
			}
		}
		if p.Mode != q.Mode || p.DefaultAction != q.DefaultAction || p.Audit != q.Audit || !cmp.Equal(p.DNS, q.DNS) || !cmp.Equal(p.Builtin, q.Builtin) {
			t.Errorf("%s: settings differ", name)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add(jsonPolicy)
	f.Add(in("action: shell.exec, target: 'git *', effect: block"))
	f.Add(in("action: network, url: 'https://a.x/b', effect: ALLOW"))
	f.Fuzz(func(t *testing.T, src string) {
		res, err := Import("f", []byte(src), Options{Now: now})
		if err != nil || res.YAML == nil {
			return
		}
		if _, err := policy.Parse("out", res.YAML); err != nil {
			t.Errorf("%v\n%s", err, res.YAML)
		}
	})
}
