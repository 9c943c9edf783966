package policy

import (
	"errors"
	"strings"
	"testing"
)

// patternPolicy returns a policy with one rule whose matcher on the field is
// one value, without the detour of writing YAML; ok is false if the value is
// refused.
func patternPolicy(t *testing.T, field string, op Operator, text string) (p *Policy, ok bool) {
	t.Helper()
	c := Condition{Operator: op, Values: []string{text}}
	if err := c.add(field, text); err != nil {
		if err.msg == "" || err.off < 0 || err.off > len(text) {
			t.Errorf("%q: %+v", text, err)
		}
		return nil, false
	}
	p = mustParse(t, rule("action: [file.read], path: /x, decision: allow"))
	r := &p.Rules[0]
	m := &Matcher{Conditions: []Condition{c}}
	switch field {
	case "command":
		r.Actions, r.Decision, r.Path, r.Command = ActionSet(0).with(ActionExec), DecisionDeny, nil, m
	case "host":
		r.Actions, r.Path, r.Host = ActionSet(0).with(ActionNetwork), nil, m
	default:
		r.Path = m
	}
	return p, true
}

// agree compares tables and rules on one subject.
func agree(t *testing.T, p *Policy, k Kind, subject []byte, f Facts) {
	t.Helper()
	o := Options{DefaultBaseline: "none"}
	tables, err := Compile(p, o)
	var tooLarge *SizeError
	if errors.As(err, &tooLarge) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got, want := tables.MatchIn(k, subject, classes(tables, f)), EvaluateIn(p, o, k, subject, f)
	if got != want {
		t.Errorf("%s %q with %s: tables say %+v, rules say %+v", k, subject, f.text(), got, want)
	}
}

// FuzzGlob compares tables and rules on patterns over paths.
func FuzzGlob(f *testing.F) {
	for _, s := range []string{"/a/**", "*.pem", "/{a,b/c}/[!x-z]?", "**/.ssh/**", `/\*`, "/a", "/bin/{a,{b,c}}*"} {
		for op := range uint8(len(operatorNames)) {
			f.Add(op, s, "/a/b", false)
		}
	}
	f.Fuzz(func(t *testing.T, op uint8, text, path string, volume bool) {
		p, ok := patternPolicy(t, "path", Operator(op%uint8(len(operatorNames))), text)
		if !ok || strings.Contains(path, "\x00") {
			return
		}
		agree(t, p, KindRead, PathSubject(volume, path), Facts{})
	})
}

// FuzzHost compares tables and rules on patterns over names, as they are
// resolved and as addresses are bound to them.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"a.example", "*.a.example", ".x", "[a-c]?.{a,b}", "10.0.0.1", "::1"} {
		for op := range uint8(len(operatorNames)) {
			f.Add(op, s, "a.example")
		}
	}
	f.Fuzz(func(t *testing.T, op uint8, text, name string) {
		o := Operator(op % uint8(len(operatorNames)))
		if o == OpStartsWith || o == OpContains || strings.Contains(name, "\x00") { // the parser refuses them before
			return
		}
		if p, ok := patternPolicy(t, "host", o, text); ok {
			agree(t, p, KindHost, HostSubject(name), Facts{})
			agree(t, p, KindAddr, addr("192.0.2.1", 6, 443), Facts{Name: HostSubject(name)})
		}
	})
}

// FuzzCommand compares tables and rules on patterns over commands. Arguments
// are separated by line breaks.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"go", "go build **", "** -c *", `echo a\ b`, "/bin/{a,b} x", "/usr/**/x [!a]*", "{a,** b} c", "**"} {
		for op := range uint8(len(operatorNames)) {
			f.Add(op, s, "/bin/go\nbuild\n-c\n\nx y", false)
		}
	}
	f.Fuzz(func(t *testing.T, op uint8, text, command string, volume bool) {
		p, ok := patternPolicy(t, "command", Operator(op%uint8(len(operatorNames))), text)
		if !ok || strings.Contains(command, "\x00") {
			return
		}
		words := strings.Split(command, "\n")
		program := "/" + strings.TrimPrefix(words[0], "/")
		known := Facts{Command: CommandSubject(volume, program, words[1:])}
		agree(t, p, KindExec, PathSubject(volume, program), known)
		agree(t, p, KindExec, PathSubject(volume, program), Facts{})
		agree(t, p, KindExec, NoPathSubject(), Facts{Command: NoPathCommandSubject(words[1:])})
		p.Rules[0].Decision = DecisionAllow // in the usual places
		agree(t, p, KindExec, PathSubject(volume, program), known)
	})
}
