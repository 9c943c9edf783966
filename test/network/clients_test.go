package network

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// resolvers are those that clients.sh knows.
var resolvers = []string{"glibc", "musl", "go", "python", "python-cares", "node", "node-cares", "dig", "curl"}

// onlyA ask for IPv4 addresses alone.
var onlyA = []string{"python-cares", "node-cares"}

// names are what a client asks for, and the addresses that it must get.
var names = map[string][]string{
	"api.openai.com":               {openAIAddr, openAIAddr6},
	"x.internal.svc.cluster.local": {internalAddr},
	"x.internal":                   {internalAddr}, // by the search domains
	"api.anthropic.com":            {anthropic},    // an alias
}

// refusedName is one that no policy here allows.
const refusedName = "evil.example"

func ask(resolvers []string, names ...string) []string {
	return slices.Concat([]string{"/app/clients.sh"}, resolvers, []string{"--"}, names)
}

// sorted is the addresses in the words of a client.
func sorted(words string) []string {
	f := strings.Fields(words)
	slices.Sort(f)
	return slices.Compact(f)
}

// wanted is what a resolver must say of an allowed name.
func wanted(resolver, name string) []string {
	var want []string
	for _, a := range names[name] {
		if !slices.Contains(onlyA, resolver) || !strings.Contains(a, ":") {
			want = append(want, a)
		}
	}
	return want
}

// hosts is a policy's rule for them.
const hosts = "  - {id: hosts, action: network.request, host: {in: [api.openai.com, api.anthropic.com, x.internal.svc.cluster.local]}, port: 443, decision: allow}\n"

// TestResolvers: each resolver finds allowed names, whole and short, as it does
// ungated; what it does with a refusal is what docs/network.md says.
func TestResolvers(t *testing.T) {
	pl := newPlace(t, resolvConf)
	all := slices.Sorted(maps.Keys(names))
	before := said(t, pl.ungated(t, ask(resolvers, append(all, refusedName)...)...))
	documented := refusals(t)
	p := newPod(t, hosts, serviceDNS)
	for _, r := range resolvers {
		t.Run(r, func(t *testing.T) {
			for _, n := range all {
				found(t, r, n, before[[2]string{r, n}])
			}
			if words := before[[2]string{r, refusedName}]; !strings.Contains(words, elsewhere) && r != "curl" {
				t.Errorf("ungated it finds %q for %s", words, refusedName)
			}
			out, events := p.run(t, pl, ask([]string{r}, append(all, refusedName)...)...)
			gated := said(t, out)
			for _, n := range all {
				found(t, r, n, gated[[2]string{r, n}])
			}
			have := refusal{resolver: r, says: anyPort.ReplaceAllString(gated[[2]string{r, refusedName}], "POD")}
			var first, last time.Duration
			for _, e := range events {
				name := string(e.Subject)
				switch {
				case e.Query == nil && e.Verdict == loader.Deny:
					t.Errorf("a connection to %v by the name %q was denied by rule %s", e.Address, e.Name.Name, p.tables.Rules[e.Rule].Name)
				case e.Query == nil || e.Verdict != loader.Deny:
				case name == "x.internal": // nobody has it, and it leaves only with a search domain behind it
				case strings.HasPrefix(name, refusedName):
					if have.queries++; first == 0 {
						first = e.Time
					}
					last = e.Time
				default:
					t.Errorf("a query for %s was refused, though what was looked for is allowed", name)
				}
			}
			t.Logf("%v, %v from the first refusal to the last", have, last-first)
			if !slices.ContainsFunc(documented, func(d refusal) bool { d.so = ""; return d == have }) {
				t.Errorf("refusals.txt does not say: %s|%s|%d", have.resolver, have.says, have.queries)
			}
		})
	}
}

// anyPort is the pod's end of a connection, in an error's text.
var anyPort = regexp.MustCompile(regexp.QuoteMeta(podAddress) + `:[0-9]+`)

// found wants the addresses of a name in a resolver's words.
func found(t *testing.T, resolver, name, words string) {
	t.Helper()
	have := sorted(words)
	switch {
	case resolver == "node-cares" && name == "x.internal": // c-ares' single queries know no search domains
		return
	case resolver == "dig": // it shows aliases too
		have = slices.DeleteFunc(have, func(w string) bool { return strings.HasSuffix(w, ".") })
	case resolver == "curl": // one of them, of whichever family is quicker; no certificate is for a short name
		if name == "x.internal" || len(have) == 1 && slices.Contains(names[name], have[0]) {
			return
		}
	}
	if want := sorted(strings.Join(wanted(resolver, name), " ")); !slices.Equal(have, want) {
		t.Errorf("%s finds %q for %s, want %v", resolver, words, name, want)
	}
}
