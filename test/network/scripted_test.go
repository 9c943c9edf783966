package network

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/miekg/dns"
)

// scripted are name servers whose answers the name asked for chooses: labels
// before a known end say what. One of them is the pod's, the other anybody's.
type scripted struct {
	servers []*dns.Server
}

func serveScripted() (*scripted, error) {
	s := &scripted{}
	for _, at := range []string{scriptedDNS, foreignDNS} {
		for _, network := range []string{"udp", "tcp"} {
			started := make(chan error, 1)
			srv := &dns.Server{Addr: net.JoinHostPort(at, "53"), Net: network, Handler: dns.HandlerFunc(answer),
				NotifyStartedFunc: func() { started <- nil }}
			go func() { started <- srv.ListenAndServe() }()
			if err := <-started; err != nil {
				return nil, fmt.Errorf("serve at %s over %s: %w", at, network, err)
			}
			s.servers = append(s.servers, srv)
		}
	}
	return s, nil
}

func (s *scripted) close() error {
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.Shutdown())
	}
	return errors.Join(errs...)
}

// answers are the addresses below script.example by the first label.
var answers = map[string][]string{
	"good":     {elsewhere},
	"loopback": {"127.0.0.1"},
	"node":     {podGateway},
	"metadata": {"169.254.169.254"},
	"private":  {"10.0.0.1"},
	"many": {"203.0.113.99", "203.0.113.101", "203.0.113.102", "203.0.113.103", "203.0.113.104", "203.0.113.105", "203.0.113.106",
		"203.0.113.107", "203.0.113.108", "203.0.113.109", "203.0.113.110", "203.0.113.111"},
}

func answer(w dns.ResponseWriter, q *dns.Msg) {
	r := new(dns.Msg)
	r.SetReply(q)
	r.RecursionAvailable = true
	r.Compress = true
	asked := q.Question[0]
	label, _, _ := strings.Cut(strings.ToLower(asked.Name), ".")
	head := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 60}
	}
	owner := asked.Name
	switch label {
	case "another": // an answer for a name that was not asked
		owner = "other.script.example."
		r.Question[0].Name = owner
	case "forgedid":
		r.Id++
	case "owner": // an address of a name that was not asked
		owner = "other.script.example."
	case "chain":
		for i := range 5 {
			next := fmt.Sprintf("c%d.script.example.", i)
			r.Answer = append(r.Answer, &dns.CNAME{Hdr: head(owner, dns.TypeCNAME), Target: next})
			owner = next
		}
	case "truncated":
		r.Truncated = true
	}
	addrs := answers[label]
	if addrs == nil {
		addrs = answers["good"]
	}
	if asked.Qtype == dns.TypeA {
		for _, a := range addrs {
			r.Answer = append(r.Answer, &dns.A{Hdr: head(owner, dns.TypeA), A: net.ParseIP(a)})
		}
	}
	if err := w.WriteMsg(r); err != nil {
		fmt.Println("scripted name server:", err)
	}
}
