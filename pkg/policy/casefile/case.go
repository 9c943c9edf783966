package casefile

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/image"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

// programs is where a command without a slash is looked for.
const programs = "/usr/bin/"

// oneCase reads a case. One with several actions is several cases.
func (r *reader) oneCase(n *policy.Node) {
	c := Case{Line: n.Line, Col: n.Col}
	var actions policy.ActionSet
	var expect string
	errors := len(r.errs)
	ok := r.fields(n, "a case", []field{
		{"name", func(n *policy.Node) { c.Name = r.text(n, "name") }},
		{"action", func(n *policy.Node) { actions = r.actions(n) }},
		{"path", func(n *policy.Node) { c.Query.Path = r.path(n, "path") }},
		{"mounted", func(n *policy.Node) { c.Query.Mounted = r.flag(n, "mounted") }},
		{"noPath", func(n *policy.Node) { c.Query.NoPath = r.flag(n, "noPath") }},
		{"command", func(n *policy.Node) { r.command(&c.Query, n) }},
		{"args", func(n *policy.Node) { c.Query.Args = append(c.Query.Args, r.words(n, "args")...) }},
		{"exe", func(n *policy.Node) { c.Query.Exe = r.path(n, "exe") }},
		{"host", func(n *policy.Node) { c.Query.Host = r.host(n) }},
		{"addr", func(n *policy.Node) { c.Query.Addr = r.addr(n) }},
		{"port", func(n *policy.Node) { c.Query.Port = r.port(n) }},
		{"protocol", func(n *policy.Node) {
			c.Query.Protocol = map[string]uint8{"": 0, "tcp": 6, "udp": 17}[r.choice(n, "protocol", "tcp", "udp")]
		}},
		{"hostNetwork", func(n *policy.Node) { c.Query.HostNetwork = r.flag(n, "hostNetwork") }},
		{"expect", func(n *policy.Node) { expect = r.choice(n, "expect", "allow", "deny", "audit") }},
		{"rule", func(n *policy.Node) { c.Rule = r.text(n, "rule") }},
	})
	if !ok || len(r.errs) > errors {
		return
	}
	switch {
	case n.Get("action") == nil:
		r.fail(n, "a case without action", "write such as action: file.read")
		return
	case n.Get("expect") == nil:
		r.fail(n, "a case without expect", "write expect: allow, deny or audit")
		return
	}
	if !r.applies(n, actions) {
		return
	}
	c.Expect = map[string]policy.Decision{"allow": policy.DecisionAllow, "deny": policy.DecisionDeny, "audit": policy.DecisionAudit}[expect]
	for a := policy.ActionRead; a <= policy.ActionNetwork; a++ {
		if actions.Has(a) {
			one := c
			one.Action, one.Query.Action = a, a
			if one.Name == "" {
				one.Name = describe(one.Query)
			}
			r.out.Cases = append(r.out.Cases, one)
		}
	}
}

// applies checks that a case says what its actions are done to, and nothing
// that has no meaning for them.
func (r *reader) applies(n *policy.Node, actions policy.ActionSet) bool {
	network := actions.Has(policy.ActionNetwork)
	exec := actions.Has(policy.ActionExec)
	files := actions.Has(policy.ActionRead) || actions.Has(policy.ActionWrite) || actions.Has(policy.ActionDelete)
	for i, key := range n.Keys {
		var wrong bool
		switch key.Text {
		case "path", "mounted":
			wrong = network
		case "command", "args", "noPath":
			wrong = network || files
		case "host", "addr", "port", "protocol", "hostNetwork":
			wrong = files || exec
		}
		if wrong {
			r.fail(n.Keys[i], key.Text+" says nothing about these actions", "write one case for each kind of action")
			return false
		}
	}
	has := func(fields ...string) (count int) {
		for _, f := range fields {
			if n.Get(f) != nil {
				count++
			}
		}
		return count
	}
	switch {
	case network && has("host", "addr") == 0:
		r.fail(n, "a case about the network without host and addr", "write host: NAME, addr: ADDRESS or both")
	case !network && has("path", "command", "noPath") != 1:
		r.fail(n, "a case about files or programs has one of path, command and noPath", "")
	default:
		return true
	}
	return false
}

func (r *reader) actions(n *policy.Node) policy.ActionSet {
	items := []*policy.Node{n}
	if n.Kind == policy.List {
		items = n.Values
	}
	var out policy.ActionSet
	for _, item := range items {
		s := r.text(item, "action")
		set, ok := policy.ActionsNamed(s)
		if s != "" && !ok {
			r.fail(item, fmt.Sprintf("unknown action %q", s), policy.Suggest(s, policy.Language().Words["action"]))
		}
		out |= set
	}
	if len(items) == 0 {
		r.fail(n, "an empty list of actions", "")
	}
	return out
}

func (r *reader) path(n *policy.Node, what string) string {
	s := r.text(n, what)
	if s != "" && !strings.HasPrefix(s, "/") {
		r.fail(n, fmt.Sprintf("%s %q is not absolute", what, s), "start it with /")
	} else if s != "" {
		r.real(n, s)
	}
	return s
}

// real refuses a path that the kernel never sees: a denial of it shows nothing.
func (r *reader) real(n *policy.Node, path string) {
	if !product.WellFormed(policy.KindRead, policy.PathSubject(false, path)) {
		r.fail(n, fmt.Sprintf("%q is no resolved path, so no rule is ever asked about it", path), "write it without . and .., double slashes and a slash at the end")
	}
}

func (r *reader) host(n *policy.Node) string {
	s := r.text(n, "host")
	if s == "" {
		return s
	}
	if err := policy.CheckHostName(s); err != nil {
		r.fail(n, err.Error(), "host takes a name, addr an address, port a port")
	} else if !product.WellFormed(policy.KindHost, policy.HostSubject(s)) {
		r.fail(n, fmt.Sprintf("%q is no host name", s), "labels have 1 to 63 characters")
	}
	return s
}

func (r *reader) words(n *policy.Node, what string) []string {
	if n.Kind != policy.List {
		words, err := image.Words(r.text(n, what))
		if err != nil {
			r.fail(n, fmt.Sprintf("%s: %v", what, err), "quotes keep spaces within an argument; a list takes texts as they are")
		}
		return words
	}
	var out []string
	for _, item := range n.Values {
		if item.Kind != policy.Scalar || item.Tag != "!!str" {
			r.fail(item, fmt.Sprintf("%s is a list of texts, not of %s", what, item.Describe()), fmt.Sprintf("write it in quotes: %q", item.Text))
			continue
		}
		out = append(out, item.Text)
	}
	return out
}

// command reads a program and its arguments, as words or as a list.
func (r *reader) command(q *policy.Query, n *policy.Node) {
	words := r.words(n, "command")
	if len(words) == 0 {
		return
	}
	q.Path = words[0]
	switch {
	case strings.HasPrefix(q.Path, "/"):
	case strings.Contains(q.Path, "/"):
		r.fail(n, fmt.Sprintf("the program %q is neither a name nor an absolute path", q.Path), "start it with /")
	default:
		q.Path = programs + q.Path
	}
	r.real(n, q.Path)
	q.Args = append(words[1:len(words):len(words)], q.Args...)
}

func (r *reader) addr(n *policy.Node) netip.Addr {
	a, err := netip.ParseAddr(r.text(n, "addr"))
	if err != nil && n.Text != "" {
		r.fail(n, fmt.Sprintf("%q is no address", n.Text), "write such as 10.0.0.1; a name belongs in host")
	}
	return a.Unmap()
}

func (r *reader) port(n *policy.Node) uint16 {
	p, err := strconv.ParseUint(n.Text, 10, 16)
	if err != nil || n.Tag != "!!int" || p == 0 {
		r.fail(n, n.Describe()+" is no port", "write a number from 1 to 65535")
	}
	return uint16(p)
}

// describe names a case by what it asks.
func describe(q policy.Query) string {
	parts := []string{q.Action.String()}
	switch {
	case q.NoPath:
		parts = append(parts, "(no path)")
	case q.Path != "":
		parts = append(parts, q.Path)
	}
	parts = append(parts, q.Args...)
	if q.Host != "" {
		parts = append(parts, q.Host)
	}
	if q.Addr.IsValid() {
		parts = append(parts, q.Addr.String())
	}
	if q.Port != 0 {
		parts = append(parts, "port", strconv.Itoa(int(q.Port)))
	}
	if q.Exe != "" {
		parts = append(parts, "by", q.Exe)
	}
	return strings.Join(parts, " ")
}
