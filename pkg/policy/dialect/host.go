package dialect

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// host takes the host out of URLs.
func (w *writer) host(c condition) (condition, error) {
	out := c
	out.values = nil
	var ports []string
	for _, v := range c.values {
		host, port, err := w.hostOf(&out, c.op, v)
		if err != nil {
			return c, refusal(c.at, fmt.Sprintf("%q: %v", v, err), "write host, and port beside it")
		}
		out.values = append(out.values, host)
		ports = append(ports, port)
	}
	return out, w.onPorts(c.at, ports)
}

// hostOf returns the host and the port of a URL, of host:port, or of a name.
// What the beginning of a URL says about its host it says about all of it.
func (w *writer) hostOf(out *condition, op, v string) (host, port string, err error) {
	scheme, rest, isURL := strings.Cut(v, "://")
	if !isURL {
		rest = v
	}
	if op == "startsWith" && !isURL {
		return "", "", fmt.Errorf("the beginning of a name, which other names share (api.openai.com.evil.example)")
	}
	if out.op == "endsWith" || out.op == "contains" {
		if isURL || strings.Contains(v, "/") {
			return "", "", fmt.Errorf("the end or a part of a URL says nothing certain about its host")
		}
		return v, "", nil
	}
	if _, perr := netip.ParsePrefix(v); perr == nil {
		return "", "", fmt.Errorf("an address range, which is a matter of cidr")
	}
	rest, path, hasPath := strings.Cut(rest, "/")
	if strings.Trim(path, "*") != "" || hasPath && !isURL {
		w.im.note(out.at, fmt.Sprintf("the path in %s is left out: the kernel sees the host alone", v))
	}
	if u, perr := url.Parse("x://" + strings.ReplaceAll(rest, "*", "star")); isURL && perr == nil && u.User != nil {
		return "", "", fmt.Errorf("a URL with a user name")
	}
	host = rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && strings.Trim(rest[i+1:], "0123456789*") == "" {
		if _, aerr := netip.ParseAddr(rest); aerr != nil { // else the colon is part of an IPv6 address
			host, port = rest[:i], strings.Trim(rest[i+1:], "*")
		}
	}
	host = strings.Trim(host, "[]")
	if isURL && port == "" && !w.denies {
		port = map[string]string{"https": "443", "http": "80", "wss": "443", "ws": "80"}[strings.ToLower(scheme)]
	}
	if op == "startsWith" {
		if w.denies && !hasPath || strings.HasSuffix(host, ".") {
			return "", "", fmt.Errorf("the beginning of a URL that ends within its host, which other hosts share")
		}
		out.op = "in"
		if len(out.values) == 0 && !out.list {
			out.op = "equals"
		}
	}
	if strings.HasPrefix(host, "*.") && w.denies && out.op == "glob" {
		out.op, host = "endsWith", host[1:] // a * may cross dots there
	}
	if w.denies && op == "glob" && host != "*" && strings.ContainsAny(host, "*?") {
		return "", "", fmt.Errorf("a * that may stand for several labels there, and stands for part of one in the language")
	}
	if host == "" || host == "*" {
		return "", "", fmt.Errorf("no host in it")
	}
	return host, port, nil
}

// onPorts gives the rule the ports of its URLs, where every one has one. All
// hosts get the ports of all, which only a rule that denies may say.
func (w *writer) onPorts(at *policy.Node, ports []string) error {
	slices.Sort(ports)
	ports = slices.Compact(ports)
	switch given := slices.ContainsFunc(w.fields, func(e entry) bool { return e.name == "port" }); {
	case len(ports) == 0 || given || len(ports) == 1 && ports[0] == "":
		return nil
	case len(ports) > 1 && !w.denies:
		return refusal(at, "the values have different ports, and a rule opens each of its ports to each of its hosts", "write one rule for each port")
	case ports[0] == "":
		w.im.note(at, "only some of the values have a port: the rule is for all ports")
		return nil
	}
	val := number(ports[0])
	if len(ports) > 1 {
		val = &policy.Node{Kind: policy.List}
		for _, p := range ports {
			val.Values = append(val.Values, number(p))
		}
	}
	w.fields = append(slices.Clone(w.fields), entry{"port", val})
	w.im.note(at, "port: "+flow(val)+" is added, from the URL")
	return nil
}
