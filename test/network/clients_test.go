package network

import (
	"maps"
	"slices"
	"strings"
	"testing"
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

func ask(names ...string) []string {
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

// TestUngated: the network is one in which all clients find all names.
func TestUngated(t *testing.T) {
	p := newPlace(t, resolvConf)
	all := slices.Sorted(maps.Keys(names))
	out := said(t, p.ungated(t, ask(all...)...))
	for _, r := range resolvers {
		for _, n := range all {
			found(t, r, n, out[[2]string{r, n}])
		}
	}
}

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
