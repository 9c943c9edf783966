package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

// Fix is the smallest rule that changes a verdict.
type Fix struct {
	YAML   string // an item of the list rules
	Before string // name of the rule that it must stand before, "" for anywhere
}

// fix finds the rule that turns the verdict of an action around and touches
// nothing but its subject, and tries it.
func (q Question) fix(a product.Action, v policy.Verdict) (fix *Fix, why string, err error) {
	if v.Floor {
		return nil, "the cluster's floor decides this: no rule of the policy changes it", nil
	}
	decision := policy.DecisionAllow
	if v.Allow {
		decision = policy.DecisionDeny
	}
	fields, ok := fieldsOf(a)
	if !ok {
		return nil, "a file without a path matches no path: only a rule for all of process.exec would change this", nil
	}
	text := "- " + strings.Join(append(fields, "decision: "+decision.String()), "\n  ") + "\n"
	place := len(q.Policy.Rules)
	f := &Fix{YAML: text}
	if r := q.own(v.Rule); r != nil && r.HasMatcher() {
		place, f.Before = r.Index, r.Name()
	}
	changed, err := q.with(text, place)
	if err != nil { // the verdict stands, whatever became of a rule beside it
		return nil, "no rule could be tried: " + err.Error(), nil
	}
	if product.Ask(changed, a).Allow == v.Allow {
		return nil, "no single rule about this subject changes it", nil
	}
	return f, "", nil
}

// with compiles the policy with one more rule.
func (q Question) with(rule string, place int) (*policy.Tables, error) {
	one, err := policy.Parse("rule", []byte("version: 1\nrules:\n"+rule))
	if err != nil {
		return nil, fmt.Errorf("write a rule: %w", err)
	}
	p := *q.Policy
	p.Rules = slices.Insert(slices.Clone(p.Rules), place, one.Rules[0])
	for i := range p.Rules {
		p.Rules[i].Index = i
	}
	t, err := policy.Compile(&p, q.Options)
	if err != nil {
		return nil, fmt.Errorf("try a rule: %w", err)
	}
	return t, nil
}

// fieldsOf returns the fields of a rule about one subject.
func fieldsOf(a product.Action) ([]string, bool) {
	switch a.Kind {
	case policy.KindHost:
		return []string{"action: network.request", "host: " + word(hostOf(a.Subject))}, true
	case policy.KindAddr:
		return append([]string{"action: network.request"}, addrFields(a)...), true
	}
	if len(a.Subject) < 2 {
		return nil, false
	}
	action := map[policy.Kind]policy.Action{
		policy.KindRead: policy.ActionRead, policy.KindWrite: policy.ActionWrite, policy.KindDelete: policy.ActionDelete,
		policy.KindExec: policy.ActionExec, policy.KindMap: policy.ActionExec,
	}[a.Kind]
	return []string{"action: " + action.String(), "path: " + Literal(string(a.Subject[1:]))}, true
}

func addrFields(a product.Action) []string {
	s := a.Subject
	port := fmt.Sprintf("port: %d", uint16(s[18])<<8|uint16(s[19]))
	protocol := map[byte]string{6: "protocol: tcp", 17: "protocol: udp"}[s[17]]
	fields := []string{"cidr: " + word(netip.AddrFrom16([16]byte(s[1:17])).Unmap().String())}
	if a.Facts.Name != nil {
		fields = []string{"host: " + word(hostOf(a.Facts.Name))}
	}
	return append(fields, port, protocol)
}

func hostOf(subject []byte) string {
	b := slices.Clone(subject[1:])
	slices.Reverse(b)
	return string(b)
}

// Literal writes a path as the value of a matcher, so that nothing in it is an
// operator.
func Literal(path string) string {
	if strings.ContainsAny(path, `*?[]{}\`) {
		return "{equals: " + strconv.Quote(path) + "}"
	}
	return word(path)
}

// word writes a text so that YAML reads it back.
func word(s string) string {
	isPlain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-", r)
	}
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool { return !isPlain(r) }) < 0
	if plain && (s[0] == '/' || 'a' <= s[0] && s[0] <= 'z' && strings.Contains(s, ".")) {
		return s
	}
	return strconv.Quote(s)
}
