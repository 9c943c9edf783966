package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParseFloor(t *testing.T, src string) *Policy {
	t.Helper()
	p, err := ParseFloor("floor.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFloorErrors(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"allow", rule("action: file.read, path: /a, decision: allow"), "floor.yaml:3:45: a floor cannot allow: it only denies and audits"},
		{"too many rules", "version: 1\nrules: [" + strings.Repeat("0,", MaxFloorRules+1) + "]", "257 rules; a floor has at most 256"},
		{"defaultAction", "version: 1\ndefaultAction: allow\n", "2:1: defaultAction is a matter of each policy"},
		{"dns", "version: 1\ndns: {tcp: allow}\n", "2:1: dns is a matter of each policy"},
		{"connections", "version: 1\nconnections: cut\n", "2:1: connections is a matter of each policy"},
		{"onAgentLoss", "version: 1\nonAgentLoss: deny\n", "2:1: onAgentLoss is a matter of each policy"},
		{"unknown field", "version: 1\nmodes: observe\n", `did you mean "mode"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseFloor("floor.yaml", []byte(tt.src))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	mustParseFloor(t, "version: 1\ndefaultAction: deny\nrules: ["+strings.Repeat("{action: file.read, path: /a, decision: deny},", MaxFloorRules)+"]")
}

func TestFloorCaps(t *testing.T) {
	for _, tt := range []struct {
		name, floor, pol string
		want             []string
	}{
		{"nothing given", "", "mode: observe\nentrypoint: chain\nonAuditLoss: continue\nbuiltin: {ptrace: allow}\n", nil},
		{"mode", "mode: enforce", "mode: observe", []string{"mode: enforce instead of observe"}},
		{"mode the other way", "mode: observe", "mode: enforce", nil},
		{"baseline", "baseline: runtime", "baseline: image", []string{"baseline: runtime instead of image"}},
		{"baseline by default", "baseline: none", "", []string{"baseline: none instead of image"}},
		{"baseline below", "baseline: runtime", "baseline: none", nil},
		{"entrypoint", "entrypoint: single", "", []string{"entrypoint: single instead of chain"}},
		{"entrypoint below", "entrypoint: single", "entrypoint: deny", nil},
		{"onAuditLoss", "onAuditLoss: deny", "", []string{"onAuditLoss: deny instead of continue"}},
		{"onAuditLoss below", "onAuditLoss: continue", "onAuditLoss: deny", nil},
		{"audit of all", "audit: {allow: each}", "audit: {allow: count}", []string{"audit: each allowed file.*,process.exec,network.request recorded instead of counted"}},
		{"audit of one", "audit: {file.write: {allow: each}}", "audit: {allow: count}", []string{"audit: each allowed file.write recorded instead of counted"}},
		{"audit of the default", "audit: {file.read: {allow: each}}", "", []string{"audit: each allowed file.read recorded instead of counted"}},
		{"audit that counts", "audit: {allow: count, file.write: {allow: each}}", "audit: {file.read: {allow: count}}", nil},
		{"audit of one less", "audit: {allow: each, file.read: {allow: count}}", "audit: {allow: count}", []string{"audit: each allowed file.write,file.delete,process.exec,network.request recorded instead of counted"}},
		{"builtin", "builtin: {io_uring: allow}", "builtin: {io_uring: allow, ptrace: allow, mount: allow}", []string{"builtin: mount, ptrace not relaxed"}},
		{"builtin, none", "builtin: {}", "builtin: {ptrace: allow}", []string{"builtin: ptrace not relaxed"}},
		{"everything", "mode: enforce\nbaseline: none\nentrypoint: deny\nonAuditLoss: deny", "mode: observe", []string{
			"mode: enforce instead of observe", "baseline: none instead of image", "entrypoint: deny instead of chain", "onAuditLoss: deny instead of continue",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, floor := mustParse(t, "version: 1\n"+tt.pol+"\n"), mustParseFloor(t, "version: 1\n"+tt.floor+"\n")
			before := *p
			rs, err := newRuleSet(p, Options{Floor: floor})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, rs.capped); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if before.Mode != p.Mode || len(before.Builtin) != len(p.Builtin) || before.Audit != p.Audit {
				t.Error("the policy itself was changed")
			}
		})
	}
}

// TestFloorCapsTables looks at what the kernel gets.
func TestFloorCapsTables(t *testing.T) {
	floor := mustParseFloor(t, "version: 1\nmode: enforce\nbaseline: none\nentrypoint: single\nonAuditLoss: deny\naudit: {allow: each}\n")
	free := mustCompile(t, "version: 1\nmode: observe\nentrypoint: chain\n", Options{})
	bound := mustCompile(t, "version: 1\nmode: observe\nentrypoint: chain\n", Options{Floor: floor, Mode: "observe"})
	same := mustCompile(t, "version: 1\nbaseline: none\nentrypoint: single\nonAuditLoss: deny\naudit: {allow: each}\n", Options{})
	if !free.Observe || bound.Observe || bound.Baseline != "none" || len(bound.Capped) != 5 || len(free.Capped) != 0 {
		t.Errorf("free: %v; bound: %v %v %v", free.Observe, bound.Observe, bound.Baseline, bound.Capped)
	}
	if bound.Hash != same.Hash {
		t.Error("a capped policy is not the policy that says so itself")
	}
}

func TestDenyAll(t *testing.T) {
	floor := mustParseFloor(t, "version: 1\nrules: [{id: no, action: file.read, path: /etc/hosts, decision: deny}]\n")
	tables, err := DenyAll(floor, Options{DefaultBaseline: "runtime", Mode: "observe"})
	if err != nil {
		t.Fatal(err)
	}
	if tables.Observe {
		t.Error("deny-all observes")
	}
	for _, c := range []check{
		{KindRead, root("/etc/hosts"), "floor/no", false},
		{KindRead, root("/etc/passwd"), "baseline/etc", true},
		{KindWrite, root("/tmp/x"), "default", false},
		{KindExec, root("/bin/sh"), "default", false},
		{KindAddr, addr("8.8.8.8", 6, 443), "default", false},
		{KindHost, HostSubject("a.example"), "default", false},
	} {
		if v := tables.Match(c.kind, c.subject); tables.Rules[v.Rule].Name != c.rule || v.Allow != c.allow {
			t.Errorf("%s %q: %s, %v; want %s, %v", c.kind, c.subject, tables.Rules[v.Rule].Name, v.Allow, c.rule, c.allow)
		}
	}
}
