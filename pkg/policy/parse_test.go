package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rule returns a policy with one rule whose fields are given in flow style;
// the rule's brace is at 3:5.
func rule(fields string) string { return "version: 1\nrules:\n  - {" + fields + "}\n" }

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"misspelt field of a rule", rule("action: file.read, decison: allow"), `3:25: unknown field "decison" in a rule; did you mean "decision"?`},
		{"synonym", rule("action: file.read, effect: allow"), `did you mean "decision"?`},
		{"misspelt field", "version: 1\nrulez: []\n", `2:1: unknown field "rulez" in the policy; did you mean "rules"?`},
		{"misspelt matcher", rule("action: file.read, pth: /a, decision: deny"), `did you mean "path"?`},
		{"unknown action", rule("action: file.raed, decision: deny"), `3:14: unknown action "file.raed"; did you mean "file.read"?`},
		{"action of another dialect", rule("action: shell_exec, decision: deny"), `did you mean "process.exec"?`},
		{"baseline's action", rule("action: file.map, path: /a, decision: deny"), `unknown action "file.map"`},
		{"baseline's field", rule("action: file.read, path: /a, mounted: false, decision: deny"), `unknown field "mounted"`},
		{"unknown operator", rule("action: file.read, path: {startWith: /a}, decision: deny"), `3:32: unknown operator "startWith"; did you mean "startsWith"?`},
		{"unknown decision", rule("action: file.read, decision: alow"), `unknown decision "alow"; did you mean "allow"?`},
		{"decision in capitals", rule("action: file.read, decision: DENY"), `did you mean "deny"?`},
		{"nothing near", "version: 1\nxylophone: 1\n", "known here: version, defaultAction"},
		{"regex", rule("action: file.read, path: {regex: ^/a}, decision: deny"), "regular expressions are not part of the language; use glob"},
		{"duplicate key", "version: 1\nversion: 1\n", `2:1: duplicate key "version", first on line 1`},
		{"duplicate key in a rule", rule("action: file.read, decision: deny, decision: allow"), `duplicate key "decision"`},
		{"duplicate id", "version: 1\nrules:\n- {id: x, action: file.read, decision: deny}\n- {id: x, action: file.read, decision: deny}\n", `4:8: duplicate id "x", first on line 3`},
		{"anchor", "version: &v 1\n", "1:10: anchors are not part of the language"},
		{"alias", "version: 1\nmode: &m enforce\nentrypoint: *m\n", "3:13: aliases are not part of the language"},
		{"merge key", "version: 1\n<<: {mode: observe}\n", "2:1: merge keys are not part of the language"},
		{"tag", "version: !!str 1\n", "tags are not part of the language"},
		{"second document", "version: 1\n---\nversion: 1\n", "a second document"},
		{"empty", "", "1:1: the document is empty"},
		{"only a comment", "# nothing\n", "the document is empty"},
		{"no map", "- 1\n", "1:1: the policy must be a map, not a list"},
		{"syntax", "version: 1\nrules: [\n", "malformed YAML"},
		{"version missing", "rules: []\n", "1:1: version is missing; write version: 1"},
		{"other version", "version: 2\n", "1:10: version 2 is unknown"},
		{"version as a fraction", "version: 1.0\n", "version 1.0 is unknown"},
		{"no action", rule("decision: deny"), "3:5: a rule without action"},
		{"no decision", rule("action: file.read"), "3:5: a rule without decision"},
		{"empty actions", rule("action: [], decision: deny"), "an empty list of actions"},
		{"rules no list", "version: 1\nrules: {}\n", "2:8: rules must be a list, not a map"},
		{"empty matcher", rule("action: file.read, path: {}, decision: deny"), "3:31: a matcher without an operator"},
		{"null matcher", rule("action: file.read, path: , decision: deny"), "path must be a text, not empty"},
		{"list as matcher", rule("action: file.read, path: [/a], decision: deny"), "path must be a text or a map of operators, not a list"},
		{"empty text", rule("action: file.read, path: '', decision: deny"), "an empty text"},
		{"number as text", rule("action: file.read, path: 12, decision: deny"), `path must be a text, not 12; write it in quotes: "12"`},
		{"in without list", rule("action: file.read, path: {in: /a}, decision: deny"), "in takes a list"},
		{"equals with list", rule("action: file.read, path: {equals: [/a]}, decision: deny"), "equals takes one text; use in for a list"},
		{"relative glob", rule("action: file.read, path: ./src/**, decision: deny"), `a relative pattern; policies name absolute paths; write it absolutely, such as "/app/src/**"`},
		{"home", rule("action: file.read, path: ~/.ssh, decision: deny"), "~ is not expanded"},
		{"relative literal", rule("action: file.read, path: {equals: a}, decision: deny"), "a path is absolute"},
		{"relative prefix", rule("action: file.read, path: {startsWith: a}, decision: deny"), "a path is absolute"},
		{"trailing slash", rule("action: file.read, path: /a/, decision: deny"), "a path never ends with a slash"},
		{"trailing slash of a suffix", rule("action: file.read, path: {endsWith: /shadow/}, decision: deny"), `3:49: "/shadow/": a path never ends with /`},
		{"dots at the end of a suffix", rule("action: file.read, path: {endsWith: /a/..}, decision: deny"), "a path never ends with /.."},
		{"part that no path has", rule("action: file.read, path: {contains: /a/../b}, decision: deny"), "/../, which no resolved path contains"},
		{"slashes in a part", rule("action: file.read, path: {contains: a//b}, decision: deny"), "//, which no resolved path contains"},
		{"NUL in a part", rule(`action: file.read, path: {contains: "a\0b"}, decision: deny`), "a NUL byte, which no name contains"},
		{"prefix that no path has", rule("action: file.read, path: {startsWith: /a/../b}, decision: deny"), ".. as a component"},
		{"slashes in a prefix", rule("action: file.read, path: {startsWith: /a//b}, decision: deny"), "an empty component"},
		{"path with a line break", "version: 1\nrules:\n- action: file.read\n  decision: deny\n  path: |\n    /a/b\n", "a line break at the end"},
		{"id of the baseline", rule("id: baseline/etc, action: file.read, decision: deny"), `3:10: the id "baseline/etc" would be taken for a rule that is not the policy's`},
		{"id of what is built in", rule("id: builtin/loopback, action: file.read, decision: deny"), "choose another one"},
		{"id of the default", rule("id: default, action: file.read, decision: deny"), "choose another one"},
		{"id of another rule", rule("id: 'rules[7]', action: file.read, decision: deny"), "choose another one"},
		{"id that steers a terminal", rule(`id: "a\u202eb", action: file.read, decision: deny`), "characters that cannot be seen"},
		{"name that is an address in parts", rule("action: network.request, host: '127.1', decision: deny"), "it ends in a number, as an address does and no name; write the address in full"},
		{"name that is a hexadecimal address", rule("action: network.request, host: 0x7f.0x1, decision: deny"), "it ends in a number"},
		{"name that is an address in one", rule("action: network.request, host: {in: ['2130706433']}, decision: deny"), "it ends in a number"},
		{"octal address", rule("action: network.request, host: 010.0.0.1, decision: deny"), "it ends in a number"},
		{"address with a dot at the end", rule("action: network.request, host: 1.2.3.4., decision: deny"), `did you mean "1.2.3.4"?`},
		{"suffix that is an address", rule("action: network.request, host: {endsWith: .3.4}, decision: deny"), "it ends in a number"},
		{"glob that is an address", rule("action: network.request, host: 'a.{b,3}', decision: deny"), "it ends in a number"},
		{"glob of digits", rule("action: network.request, host: 'a.[0-9]', decision: deny"), "it ends in a number"},
		{"half a bracket", rule("action: network.request, host: '[::1', decision: deny"), "3:38"},
		{"UTF-16", "\xff\xfev\x00e\x00r\x00", "1:1: not UTF-8 text"},
		{"a byte that is no text", rule("action: file.read, path: '/\xff', decision: deny"), "3:33: not UTF-8 text"},
		{"empty component", rule("action: file.read, path: /a//b, decision: deny"), "an empty component"},
		{"dot component", rule("action: file.read, path: /a/../b, decision: deny"), ".. as a component"},
		{"deep inside a component", rule("action: file.read, path: /a**, decision: deny"), "** must be a whole component"},
		{"open brace", rule("action: file.read, path: '/a{b,c', decision: deny"), "3:34: \"/a{b,c\": a { without its }"},
		{"close brace", rule("action: file.read, path: '/a}', decision: deny"), "3:34: \"/a}\": a } without its {"},
		{"one alternative", rule("action: file.read, path: '/{a}', decision: deny"), "at least two alternatives"},
		{"open class", rule("action: file.read, path: '/[a', decision: deny"), "3:33: \"/[a\": a [ without its ]"},
		{"class with caret", rule("action: file.read, path: '/[^a]', decision: deny"), "negated by !"},
		{"class with slash", rule("action: file.read, path: '/[a/]', decision: deny"), "never matches the separator"},
		{"range backwards", rule("action: file.read, path: '/[z-a]', decision: deny"), "a range that runs backwards"},
		{"backslash at the end", rule(`action: file.read, path: '/a\', decision: deny`), "a backslash with nothing after it"},
		{"too many alternatives", rule("action: file.read, path: '/" + strings.Repeat("{a,b}", 9) + "', decision: deny"), "more than 256 patterns"},
		{"host startsWith", rule("action: network.request, host: {startsWith: api.}, decision: deny"), "startsWith on a host would match names of other owners"},
		{"host contains", rule("action: network.request, host: {contains: api}, decision: deny"), "contains on a host"},
		{"host as URL", rule("action: network.request, host: 'https://a.b/c', decision: deny"), "a URL"},
		{"host with port", rule("action: network.request, host: 'a.b:443', decision: deny"), "write it in the field port"},
		{"host pattern in literal", rule("action: network.request, host: {in: ['*.a']}, decision: deny"), "use glob"},
		{"host not ASCII", rule("action: network.request, host: bücher.example, decision: deny"), "xn--"},
		{"addresses by glob", rule("action: network.request, host: '10.0.0.*', decision: deny"), "write the range in the field cidr"},
		{"host deep", rule("action: network.request, host: '**.a.com', decision: deny"), "** has no meaning in a host"},
		{"path of a network rule", rule("action: network.request, path: /a, decision: deny"), "3:31: path says nothing about network.request"},
		{"host of a file rule", rule("action: [network.request, file.read], host: a, decision: deny"), "host says nothing about file.read"},
		{"port 0", rule("action: network.request, port: 0, decision: deny"), "0 is no port"},
		{"port too large", rule("action: network.request, port: 65536, decision: deny"), "65536 is no port"},
		{"port range backwards", rule("action: network.request, port: '9-8', decision: deny"), "a range that runs backwards"},
		{"protocol", rule("action: network.request, protocol: icmp, decision: deny"), `unknown protocol "icmp"`},
		{"cidr", rule("action: network.request, cidr: 10.0.0, decision: deny"), `"10.0.0" is no address range`},
		{"cidr with host bits", rule("action: network.request, cidr: 10.0.0.1/8, decision: deny"), `did you mean "10.0.0.0/8"?`},
		{"exe without operator", rule("action: file.read, exe: {}, decision: deny"), "3:30: a matcher without an operator; a rule for everything has no exe at all"},
		{"exe relative", rule("action: file.read, exe: bin/sh, decision: deny"), "3:30: \"bin/sh\": a relative pattern"},
		{"exe by regex", rule("action: file.read, exe: {regex: x}, decision: deny"), "3:31: \"regex\": regular expressions are not part of the language; use glob"},
		{"command of a file rule", rule("action: [process.exec, file.read], command: go, decision: deny"), "3:41: command says nothing about file.read; write two rules"},
		{"command by regex", rule("action: process.exec, command: {matches: go.*}, decision: deny"), "use glob"},
		{"command operator", rule("action: process.exec, command: {startWith: go}, decision: deny"), `did you mean "startsWith"?`},
		{"command as a list", rule("action: process.exec, command: [go], decision: deny"), "command must be a text or a map of operators, not a list"},
		{"command with a leading space", rule("action: process.exec, command: ' go', decision: deny"), "3:38: \" go\": a space at the beginning, or two in a row; words are separated by one space"},
		{"command with two spaces", rule("action: process.exec, command: {contains: 'a  b'}, decision: deny"), "3:51: \"a  b\": a space at the beginning, or two in a row"},
		{"command with a trailing space", rule("action: process.exec, command: {startsWith: 'a '}, decision: deny"), "a space at the end"},
		{"command with a line break", "version: 1\nrules:\n- action: process.exec\n  decision: deny\n  command: |\n    go build\n", "a line break at the end"},
		{"command with a NUL", rule(`action: process.exec, command: {equals: "a\0b"}, decision: deny`), "a NUL byte, which no argument contains"},
		{"command with an empty alternative", rule("action: process.exec, command: 'go {, }x', decision: deny"), "an alternative that makes an empty word"},
		{"command with ** inside a word", rule("action: process.exec, command: 'go a**', decision: deny"), "** must be a whole word"},
		{"command with ** in a path argument", rule("action: process.exec, command: 'cat /app/**', decision: deny"), "** must be a whole word"},
		{"command by relative path", rule("action: process.exec, command: 'bin/go *', decision: deny"), "a program is named by its base name or by its full path"},
		{"command by relative prefix", rule("action: process.exec, command: {startsWith: bin/go}, decision: deny"), `write "go" or a path that begins with /`},
		{"command by bad path", rule("action: process.exec, command: '/a//b *', decision: deny"), "an empty component"},
		{"command by literal bad path", rule("action: process.exec, command: {equals: '/bin/ x'}, decision: deny"), "an empty component"},
		{"command with an open class", rule("action: process.exec, command: 'a [b', decision: deny"), "3:40: \"a [b\": a [ without its ]"},
		{"space in a class", rule("action: process.exec, command: 'a [b ]', decision: deny"), `write "\ " for a space`},
		{"long pattern", rule("action: process.exec, command: " + strings.Repeat("x", maxPatternBytes+1) + ", decision: deny"), "4097 bytes; a pattern has at most 4096"},
		{"builtin misspelt", "version: 1\nbuiltin: {ptrase: allow}\n", `2:11: unknown field "ptrase" in builtin; did you mean "ptrace"?`},
		{"builtin denied", "version: 1\nbuiltin: {ptrace: deny}\n", `2:19: unknown decision "deny"; write allow to relax the built-in denial, or leave it out`},
		{"builtin as a list", "version: 1\nbuiltin: [ptrace]\n", "2:10: builtin must be a map, not a list"},
		{"builtin as a text", "version: 1\nbuiltin: ptrace\n", "builtin must be a map"},
		{"builtin twice", "version: 1\nbuiltin: {ptrace: allow, ptrace: allow}\n", `duplicate key "ptrace"`},
		{"bpf", "version: 1\nbuiltin: {bpf: allow}\n", `2:11: "bpf" can never be relaxed: a BPF program`},
		{"dns field", "version: 1\ndns: {type: [TXT]}\n", `2:7: unknown field "type" in dns; did you mean "types"?`},
		{"dns type", "version: 1\ndns: {types: [TXT, TXX]}\n", `2:20: unknown query type "TXX"; did you mean "TXT"?`},
		{"dns type that is nothing", "version: 1\ndns: {types: [FOO]}\n", "write a name such as TXT, or a number from 1 to 65535"},
		{"dns type 0", "version: 1\ndns: {types: [0]}\n", "a query type must be a text, not 0"},
		{"dns types, too many", "version: 1\ndns: {types: [100,101,102,103,104,105,106,107,108,109,110,111,112,113,114,115,116]}\n", "2:14: 17 query types; a policy has at most 16"},
		{"dns tcp", "version: 1\ndns: {tcp: yes}\n", `2:12: unknown dns.tcp "yes"`},
		{"dns label", "version: 1\ndns: {maxLabel: 64}\n", "2:17: dns.maxLabel must be a number from 1 to 63, not 64"},
		{"dns label 0", "version: 1\ndns: {maxLabel: 0}\n", "dns.maxLabel must be a number from 1 to 63, not 0"},
		{"dns label as a text", "version: 1\ndns: {maxLabel: \"12\"}\n", "dns.maxLabel must be a number"},
		{"dns label in octal", "version: 1\ndns: {maxLabel: 012}\n", "dns.maxLabel must be a number"},
		{"dns rate", "version: 1\ndns: {rate: 60/m}\n", "dns.rate must be a number from 1 to 1000000, not \"60/m\"; queries a minute"},
		{"dns rate below 0", "version: 1\ndns: {rate: -1}\n", "dns.rate must be a number"},
		{"connections", "version: 1\nconnections: close\n", `2:14: unknown connections "close"`},
		{"onAgentLoss", "version: 1\nonAgentLoss: allow\n", `2:14: unknown onAgentLoss "allow"`},
		{"onAuditLoss", "version: 1\nonAuditLoss: kill\n", `2:14: unknown onAuditLoss "kill"`},
		{"entrypoint", "version: 1\nentrypoint: chains\n", `did you mean "chain"?`},
		{"baseline", "version: 1\nbaseline: full\n", `2:11: unknown baseline "full"`},
		{"mode", "version: 1\nmode: audit\n", `2:7: unknown mode "audit"`},
		{"defaultAction", "version: 1\ndefaultAction: audit\n", `unknown defaultAction "audit"`},
		{"port in octal", rule("action: network.request, port: 010, decision: deny"), "010 is no port"},
		{"audit", "version: 1\naudit: {file.read: {allow: some}}\n", "2:28: unknown audit of allowed actions \"some\""},
		{"audit of denies", "version: 1\naudit: {deny: count}\n", "unknown audit of denied actions"},
		{"too deep", "version: 1\nrules: " + strings.Repeat("[", 100), "nested deeper than 32 levels"},
		{"too deep by dashes", strings.Repeat("- ", 100) + "x\n", "nested deeper than 32 levels"},
		{"too long", "version: 1\n#" + strings.Repeat("x", MaxSourceBytes), "a policy has at most 262144"},
		{"too many rules", "version: 1\nrules: [" + strings.Repeat("0,", MaxRules+1) + "]", "10001 rules; a policy has at most 10000"},
		{"bad id", rule("id: 'a b', action: file.read, decision: deny"), "an id has no spaces"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p.yaml", []byte(tt.src))
			if err == nil {
				t.Fatal("accepted")
			}
			var list ErrorList
			if !errors.As(err, &list) {
				t.Fatalf("not an ErrorList: %T", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestAllErrorsInOnePass(t *testing.T) {
	_, err := Parse("p.yaml", []byte("version: 3\nmod: observe\nrules:\n  - action: file.raed\n    decison: deny\n    path: {regex: x}\n"))
	want := []string{"1:10", "2:1", "4:13", "5:5", "6:12"}
	var got []string
	var list ErrorList
	if !errors.As(err, &list) {
		t.Fatalf("got %v", err)
	}
	for _, e := range list {
		got = append(got, fmt.Sprintf("%d:%d", e.Line, e.Col))
		if e.File != "p.yaml" {
			t.Errorf("file %q", e.File)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places (-want +got):\n%s\n%v", diff, err)
	}
}

func TestErrorFields(t *testing.T) {
	_, err := Parse("p.yaml", []byte(rule("action: file.read, decison: allow")))
	want := ErrorList{{
		File: "p.yaml", Line: 3, Col: 25, Word: "decison",
		Msg: `unknown field "decison" in a rule`, Hint: `did you mean "decision"?`,
	}}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestManifestPositions(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\ndata:\n  other: x\n"
	for _, tt := range []struct{ name, src, want string }{
		{"block", head + "  safeclaw.policy.yaml: |\n    version: 1\n    modee: observe\n", "m.yaml:7:5: unknown field"},
		{"block with blank lines and comment", head + "  safeclaw.policy.yaml: | # policy\n\n      # c\n      version: 1\n\n      modee: observe\n", "m.yaml:10:7: unknown field"},
		{"block with explicit indentation", head + "  safeclaw.policy.yaml: |2-\n    version: 1\n    rules: 1\n", "m.yaml:7:12: rules must be a list"},
		{"quoted", head + "  safeclaw.policy.yaml: \"version: 1\\nmodee: x\\n\"\n", "m.yaml:5:25: unknown field \"modee\" in the policy (line 2 of"},
		{"no key", "kind: ConfigMap\ndata: {a: b}\n", "m.yaml:2:7: a ConfigMap without the key safeclaw.policy.yaml"},
		{"no data", "kind: ConfigMap\n", "a ConfigMap without data"},
		{"no text", "kind: ConfigMap\ndata: {safeclaw.policy.yaml: {version: 1}}\n", "safeclaw.policy.yaml must be a text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("m.yaml", []byte(tt.src))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestVersionForms(t *testing.T) {
	for _, v := range []string{"1", `"1"`, "'1'"} {
		if _, err := Parse("p.yaml", []byte("version: "+v+"\n")); err != nil {
			t.Errorf("version: %s: %v", v, err)
		}
	}
}
