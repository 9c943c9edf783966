package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/explain"
)

// unnamed is an address for documentation, which rules name by accident only.
const unnamed = "192.0.2.1"

// network returns what is asked of HOST[:PORT]: for a name that is resolved and connected to, two questions.
func (f *explainFlags) network(subject string, facts policy.Facts) (func(explain.Question) ([]explain.Explanation, error), error) {
	protocol, ok := map[string]uint8{"tcp": 6, "udp": 17}[f.protocol]
	if !ok {
		return nil, fmt.Errorf("--protocol %s: it is tcp or udp", f.protocol)
	}
	kind, err := policy.DNSType(f.queryType)
	if err != nil {
		return nil, fmt.Errorf("--query-type: %w", err)
	}
	n := explain.Network{Host: f.hostNetwork, Search: f.search}
	for _, r := range f.resolvers {
		a, err := netip.ParseAddr(r)
		if err != nil {
			return nil, fmt.Errorf("--resolver: %w", err)
		}
		n.Resolvers = append(n.Resolvers, a.Unmap())
	}
	host, port, err := f.hostPort(subject)
	if err != nil {
		return nil, err
	}
	c := explain.Connection{Protocol: protocol, Port: port}
	if c.Addr, err = netip.ParseAddr(host); err == nil {
		return func(q explain.Question) ([]explain.Explanation, error) {
			e, err := q.Connect(n, c, facts)
			return []explain.Explanation{e}, err
		}, nil
	}
	if err := policy.CheckHostName(host); err != nil {
		return nil, err
	}
	to := f.addr
	if to == "" {
		to = unnamed
	}
	if c.Addr, err = netip.ParseAddr(to); err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	return func(q explain.Question) ([]explain.Explanation, error) {
		resolve, binds, err := q.Resolve(n, host, kind, facts)
		name := policy.DNSTypeName(kind)
		if err != nil || name != "A" && name != "AAAA" {
			return []explain.Explanation{resolve}, err
		}
		if binds {
			c.Name = host
		}
		connect, err := q.Connect(n, c, facts)
		if !binds {
			connect.Notes = append(connect.Notes, "no answer binds an address to "+host+": what is connected to is judged by its address alone")
		}
		return []explain.Explanation{resolve, connect}, err
	}, nil
}

// hostPort takes HOST[:PORT] apart; --port says the port where it does not.
func (f *explainFlags) hostPort(subject string) (host string, port uint16, err error) {
	host, port = strings.Trim(subject, "[]"), f.port
	if _, err := netip.ParseAddr(host); err == nil {
		return host, port, nil
	}
	name, text, ok := strings.Cut(subject, ":")
	if i := strings.LastIndex(subject, "]:"); i >= 0 {
		name, text, ok = strings.Trim(subject[:i], "["), subject[i+2:], true
	}
	if !ok {
		return host, port, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || name == "" {
		return "", 0, fmt.Errorf("%q is no HOST[:PORT], with a host name or an address", subject)
	}
	if f.portGiven && uint16(n) != f.port {
		return "", 0, errors.New("two ports: behind the host and with --port")
	}
	return name, uint16(n), nil
}
