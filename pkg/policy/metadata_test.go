package policy

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMetadataDocument: what the documentation lists is what is denied.
func TestMetadataDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/network.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "## Addresses that are special\n")
	if !ok {
		t.Fatal("docs/network.md has no such section")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	quoted := regexp.MustCompile("`([0-9a-f.:]+/[0-9]+)`")
	var listed, prose []netip.Prefix
	for l := range strings.Lines(section) {
		first, isRow := strings.CutPrefix(l, "| ")
		if isRow {
			l, _, _ = strings.Cut(first, " |")
		}
		for _, m := range quoted.FindAllStringSubmatch(l, -1) {
			p := netip.MustParsePrefix(m[1])
			if isRow {
				listed = append(listed, p)
			} else {
				prose = append(prose, p)
			}
		}
	}
	sorted := func(ps []netip.Prefix) []netip.Prefix {
		return slices.SortedFunc(slices.Values(ps), netip.Prefix.Compare)
	}
	if got, want := sorted(listed), sorted(metadataAddresses); !slices.Equal(got, want) {
		t.Errorf("docs/network.md lists %v, the code has %v", got, want)
	}
	for _, p := range loopbackAddresses {
		if !slices.Contains(prose, p) {
			t.Errorf("docs/network.md says nothing of %v, which is taken for loopback", p)
		}
	}
	for _, p := range append(slices.Clone(loopbackAddresses), prose...) {
		if Bindable(p.Addr()) {
			t.Errorf("an answer could bind %v", p.Addr())
		}
	}
}
