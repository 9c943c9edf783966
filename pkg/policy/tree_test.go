package policy

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestTree(t *testing.T) {
	src := "kind: ConfigMap\ndata:\n  safeclaw.policy.yaml: |\n    a: [1, x]\n    b: {c: true}\n"
	n, err := Tree("f", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	a, c := n.Get("a"), n.Get("b").Get("c")
	if a.Kind != List || len(a.Values) != 2 || a.Values[0].Tag != "!!int" || c.Tag != "!!bool" || n.Get("z") != nil {
		t.Errorf("%+v", n)
	}
	if got := fmt.Sprint(a.Values[1].Line, a.Values[1].Col, c.Line, c.Col); got != "4 12 5 12" {
		t.Errorf("places %s", got)
	}
	for _, bad := range []string{"a: 1\na: 2\n", "a: &x 1\n", "", "a: 1\n---\nb: 1\n"} {
		if _, err := Tree("f", []byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

// TestLanguage: the parser, asked about an unknown word in each place, knows
// the words that Language lists and no other.
func TestLanguage(t *testing.T) {
	v := Language()
	for what, src := range map[string]string{
		"the policy": "version: 1\n%s: x\n", "a rule": "version: 1\nrules: [{action: file.read, decision: deny, %s: x}]\n",
		"dns": "version: 1\ndns: {%s: x}\n", "builtin": "version: 1\nbuiltin: {%s: x}\n", "audit": "version: 1\naudit: {%s: x}\n",
		"audit of file.*": "version: 1\naudit: {'file.*': {%s: x}}\n",
	} {
		_, err := Parse("f", fmt.Appendf(nil, src, "qqqqqqqqqqqqqqqqqqqq"))
		var list ErrorList
		errors.As(err, &list)
		want := "known here: "
		for i, f := range v.Fields[what] {
			if i > 0 {
				want += ", "
			}
			want += f
		}
		if len(v.Fields[what]) == 0 || !slices.ContainsFunc(list, func(e *Error) bool { return e.Hint == want }) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	if len(v.Words["action"]) != 6 || len(v.Words["decision"]) != 3 || len(v.Operators) != 6 {
		t.Errorf("%+v", v)
	}
}
