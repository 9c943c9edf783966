package policy

import "testing"

func TestStats(t *testing.T) {
	p := mustParse(t, `version: 1
baseline: none
rules:
  - {id: dear, action: file.read, path: {contains: [alpha, beta, gamma]}, decision: deny}
  - {id: cheap, action: file.read, path: /x, decision: allow}
  - {id: by-name, action: network.request, host: a.x, decision: allow}
`)
	tables, err := Compile(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	stats := tables.Stats()
	bytes := 0
	for _, s := range stats {
		if s.States < 1 || s.Classes < 1 || s.Units < s.States || s.Encoding != "dense" || s.Bytes != s.Units*unitSize {
			t.Errorf("%+v", s)
		}
		bytes += s.Bytes
	}
	if len(stats) != 8 || stats[7].Kind != KindName {
		t.Errorf("%d automata: %+v", len(stats), stats)
	}
	if rest := len(tables.Blob) - bytes; rest < firstFree || rest > firstFree+4096 {
		t.Errorf("%d bytes of %d are in automata", bytes, len(tables.Blob))
	}
	costs, err := Costs(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]int{}
	for i, c := range costs {
		if i > 0 && c.Weight > costs[i-1].Weight {
			t.Errorf("not sorted: %+v", costs)
		}
		if c.Kind == KindRead {
			of[tables.Rules[c.Rule].Name] = c.Weight
		}
	}
	if of["dear"] <= of["cheap"] || of["cheap"] == 0 {
		t.Errorf("%v", of)
	}
}
