package scenarios

import (
	"net/netip"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// kinds are the steps whose verdict is one automaton's, and which.
var kinds = map[string]policy.Kind{
	"read": policy.KindRead, "list": policy.KindRead, "fork": policy.KindRead,
	"write": policy.KindWrite, "append": policy.KindWrite,
	"map": policy.KindMap, "mprotect": policy.KindMap,
	"connect": policy.KindAddr, "connect-udp": policy.KindAddr,
}

// TestTables holds every scenario against the compiled tables and the naive
// evaluator, where a step is one lookup.
func TestTables(t *testing.T) {
	compared := 0
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			p, err := policy.Parse(s.name, s.policy)
			if err != nil {
				t.Fatal(err)
			}
			o := policy.Options{DefaultBaseline: "image"}
			if s.host {
				o.DefaultBaseline = "runtime"
			}
			tab, err := policy.Compile(p, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range s.steps {
				k, ok := kinds[st.words[0]]
				// By whom names are asked for no table says: bpf/net.h.
				if !ok || s.observe || st.rule == "" || st.rule == "builtin/resolver" {
					continue
				}
				exe := tab.Classify(policy.KindExe, policy.PathSubject(s.host, "/usr/local/bin/"+actName))
				got := tab.MatchIn(k, s.subject(t, k, st), policy.Classes{Exe: exe})
				if rule := tab.Rules[got.Rule].Name; rule != st.rule || got.Allow != (st.end != "EACCES") {
					t.Errorf("%s: tables say allow=%v by %s, the scenario %s by %s", st.line, got.Allow, rule, st.end, st.rule)
				}
				compared++
			}
		})
	}
	if compared == 0 {
		t.Error("no step was compared")
	}
}

func (s *scenario) subject(t *testing.T, k policy.Kind, st stepSpec) []byte {
	t.Helper()
	if k == policy.KindAddr {
		a, err := netip.ParseAddrPort(st.words[1])
		if err != nil {
			t.Fatal(err)
		}
		proto := uint8(6)
		if st.words[0] == "connect-udp" {
			proto = 17
		}
		return policy.AddrSubject(true, a.Addr(), proto, a.Port())
	}
	path := st.words[len(st.words)-1]
	volume := s.host
	for _, f := range s.files {
		if f.path == path {
			volume = f.volume || s.host
		}
	}
	return policy.PathSubject(volume, path)
}
