// Package nameserver is a name server whose answers the name that is asked for
// chooses by its first label, honest and forged ones, for tests.
package nameserver

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Server serves on some addresses, over UDP and TCP.
type Server struct {
	// Answers are addresses by first label, those of "" for all others.
	Answers map[string][]string
	servers []*dns.Server
}

// Start serves on port 53 of the addresses, and on what else is given as HOST:PORT.
func (s *Server) Start(at ...string) error {
	for _, a := range at {
		if _, _, err := net.SplitHostPort(a); err != nil {
			a = net.JoinHostPort(a, "53")
		}
		for _, network := range []string{"udp", "tcp"} {
			started := make(chan error, 2)
			srv := &dns.Server{Addr: a, Net: network, Handler: dns.HandlerFunc(s.answer), NotifyStartedFunc: func() { started <- nil }}
			go func() { started <- srv.ListenAndServe() }()
			if err := <-started; err != nil {
				return fmt.Errorf("serve at %s over %s: %w", a, network, err)
			}
			s.servers = append(s.servers, srv)
		}
	}
	return nil
}

// Close ends it.
func (s *Server) Close() error {
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.Shutdown())
	}
	return errors.Join(errs...)
}

// answer says what the first label asks for:
//
//	another    an answer for a name that was not asked
//	number     one with another number than the query's
//	owner      the address of a name that was not asked, behind the right question
//	chain      five aliases before the address
//	truncated  not all of it
//	late       only after a second
//	silent     none
func (s *Server) answer(w dns.ResponseWriter, q *dns.Msg) {
	r := new(dns.Msg)
	r.SetReply(q)
	r.RecursionAvailable, r.Compress = true, true
	asked := q.Question[0]
	label, rest, _ := strings.Cut(strings.ToLower(asked.Name), ".")
	owner, other := asked.Name, "other."+rest
	switch label {
	case "another":
		owner = other
		r.Question[0].Name = other
	case "number":
		r.Id++
	case "owner":
		owner = other
	case "chain":
		for i := range 5 {
			next := fmt.Sprintf("c%d.%s", i, rest)
			r.Answer = append(r.Answer, &dns.CNAME{Hdr: header(owner, dns.TypeCNAME), Target: next})
			owner = next
		}
	case "truncated":
		r.Truncated = true
	case "late":
		time.Sleep(time.Second)
	case "silent":
		return
	}
	addrs, ok := s.Answers[label]
	if !ok {
		addrs = s.Answers[""]
	}
	for _, a := range addrs {
		switch ip := net.ParseIP(a); {
		case ip.To4() != nil && asked.Qtype == dns.TypeA:
			r.Answer = append(r.Answer, &dns.A{Hdr: header(owner, dns.TypeA), A: ip})
		case ip.To4() == nil && asked.Qtype == dns.TypeAAAA:
			r.Answer = append(r.Answer, &dns.AAAA{Hdr: header(owner, dns.TypeAAAA), AAAA: ip})
		}
	}
	// Who asked may have gone.
	_ = w.WriteMsg(r)
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 60}
}
