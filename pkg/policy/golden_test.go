package policy

import (
	"os"
	"testing"
)

func TestReference(t *testing.T) {
	src, err := os.ReadFile("testdata/safeclaw-policy.configmap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse("ref.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []string{"image", "runtime", "none"} {
		p.Baseline = b
		tab, err := Compile(p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(b, len(tab.Blob), tab.States, tab.Classes, tab.Units)
	}
}
