package k8s

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// policies compiles the texts of ConfigMaps, each at most once under the same
// options.
type policies struct {
	options policy.Options
	check   func(*policy.Tables) error // whether the enforcer can do what the tables need
	denyAll *policy.Tables
	latest  map[Ref]text
	known   map[lastText]*version
}

// lastText names one text of a ConfigMap.
type lastText struct {
	Ref  Ref  `json:"ref"`
	Hash Hash `json:"hash"`
}

// Hash is a SHA-256, in hex where it is written.
type Hash [32]byte

func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

func (h Hash) short() string { return hex.EncodeToString(h[:6]) }

func (h *Hash) UnmarshalText(b []byte) error {
	if hex.DecodedLen(len(b)) != len(h) {
		return errors.New("a hash has 64 digits")
	}
	_, err := hex.Decode(h[:], b)
	return err
}

// text is what is known of a ConfigMap.
type text struct {
	state textState
	yaml  []byte // present
	why   error  // unreadable; present, but without a policy
}

type textState uint8

const (
	asked textState = iota // no answer yet
	absent
	present
	unreadable // the API server does not let us
)

// version is one text of a policy and what it compiles to.
type version struct {
	source *Source
	tables *policy.Tables
	err    error
	used   bool // since the last sweep
}

func newPolicies(check func(*policy.Tables) error) *policies {
	if check == nil {
		check = func(*policy.Tables) error { return nil }
	}
	return &policies{check: check, latest: map[Ref]text{}, known: map[lastText]*version{}}
}

// setOptions changes what everything is compiled with.
func (p *policies) setOptions(o policy.Options) error {
	denyAll, err := policy.DenyAll(o.Floor, o)
	if err == nil {
		err = p.check(denyAll)
	}
	if err != nil {
		return fmt.Errorf("compile the floor: %w", err)
	}
	p.options, p.denyAll = o, denyAll
	for _, v := range p.known {
		v.compile(p)
	}
	return nil
}

func (v *version) compile(p *policies) {
	v.tables = nil
	parsed, err := policy.Parse(v.source.Ref.String(), v.source.YAML)
	if err != nil {
		v.err = err
		return
	}
	t, err := policy.Compile(parsed, p.options)
	if err == nil {
		err = p.check(t)
	}
	if v.err = err; err == nil {
		v.tables = t
	}
}

// remember makes a text known that was in force before this process was.
func (p *policies) remember(s *Source) {
	key := lastText{s.Ref, s.Hash}
	if p.known[key] == nil {
		v := &version{source: s}
		v.compile(p)
		p.known[key] = v
	}
}

// version returns the compiled form of a text.
func (p *policies) version(ref Ref, yaml []byte) *version {
	key := lastText{ref, sha256.Sum256(yaml)}
	v := p.known[key]
	if v == nil {
		v = &version{source: &Source{Ref: ref, YAML: yaml, Hash: key.Hash}}
		v.compile(p)
		p.known[key] = v
	}
	return v
}

// sweep forgets texts that were not used since the last sweep.
func (p *policies) sweep() {
	for k, v := range p.known {
		if !v.used {
			delete(p.known, k)
		}
		v.used = false
	}
}

// enforced says what a cgroup that names a ConfigMap is gated by. last is the
// text that was in force there before, if any.
func (p *policies) enforced(ref Ref, last *lastText) Enforced {
	e := Enforced{Policy: ref}
	t := p.latest[ref]
	var bad error
	switch t.state {
	case present:
		if t.why != nil {
			bad = t.why
			break
		}
		v := p.version(ref, t.yaml)
		v.used = true
		if v.err == nil {
			e.Tables, e.Source = v.tables, v.source
			return e
		}
		bad = v.err
	case absent:
		bad = fmt.Errorf("there is no ConfigMap %s", ref)
	case unreadable:
		bad = fmt.Errorf("the ConfigMap %s cannot be read: %w", ref, t.why)
	default:
		bad = errors.New("the API server has not answered yet")
		e.Pending = true
	}
	if last != nil && last.Ref == ref {
		if v := p.known[*last]; v != nil {
			v.used = true
			if v.err == nil {
				e.Tables, e.Source, e.Degraded = v.tables, v.source, bad.Error()
				e.Pending = false
				return e
			}
			bad = errors.Join(bad, fmt.Errorf("nor is the version in force before good any more: %w", v.err))
		}
	}
	e.Tables, e.Denied = p.denyAll, bad.Error()
	return e
}

// denied is a gate that lets through what the baseline does.
func (p *policies) denied(ref Ref, why string) Enforced {
	return Enforced{Policy: ref, Tables: p.denyAll, Denied: why}
}

// reason is the notice that goes with what is enforced.
func (p *policies) reason(e Enforced) string {
	if e.Denied == "" && e.Degraded == "" {
		return ReasonApplied
	}
	switch t := p.latest[e.Policy]; {
	case t.state == absent:
		return ReasonMissing
	case t.state == unreadable || t.state == asked:
		return ReasonUnreadable
	}
	return ReasonRejected
}
