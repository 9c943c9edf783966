package network

import (
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

func TestUngated(t *testing.T) {
	p := newPlace(t, resolvConf)
	out := p.ungated(t, ask("api.openai.com", "x.internal.svc.cluster.local", "x.internal", "api.anthropic.com", "evil.example", "nothing.example")...)
	t.Log(out)
	for k, words := range said(t, out) {
		t.Log(k, sorted(words))
	}
	t.Log(p.ungated(t, "/app/get.sh", "https://api.openai.com/", "https://api.anthropic.com/", "https://x.internal.svc.cluster.local/"))
}
