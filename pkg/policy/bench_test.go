package policy

import (
	"fmt"
	"strings"
	"testing"
)

// manyRules returns a policy with n rules, most of them literal directories.
func manyRules(n int) []byte {
	var b strings.Builder
	b.WriteString("version: 1\nrules:\n")
	for i := range n {
		switch i % 10 {
		case 0:
			fmt.Fprintf(&b, "  - {action: file.write, path: /srv/out/%d/**, decision: allow}\n", i)
		case 1:
			fmt.Fprintf(&b, "  - {action: process.exec, path: /opt/tools/t%d, decision: allow}\n", i)
		case 2:
			fmt.Fprintf(&b, "  - {action: network.request, host: {endsWith: .svc%d.example.com}, decision: allow}\n", i)
		case 3:
			fmt.Fprintf(&b, "  - {action: network.request, cidr: 10.%d.%d.0/24, port: 443, decision: allow}\n", i/1000%100, i/10%100)
		case 4:
			fmt.Fprintf(&b, "  - {action: file.read, path: '*.k%d', decision: deny}\n", i%7)
		default:
			fmt.Fprintf(&b, "  - {action: file.read, path: /srv/data/%d/**, decision: allow}\n", i)
		}
	}
	return []byte(b.String())
}

func BenchmarkCompile(b *testing.B) {
	sources := map[string][]byte{"reference": referenceSource(b), "rules=100": manyRules(100), "rules=1000": manyRules(1000)}
	for _, name := range []string{"reference", "rules=100", "rules=1000"} {
		b.Run(name, func(b *testing.B) {
			var t *Tables
			for b.Loop() {
				p, err := Parse("bench.yaml", sources[name])
				if err != nil {
					b.Fatal(err)
				}
				if t, err = Compile(p, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(t.Blob)), "table-bytes")
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	t := mustCompile(b, string(referenceSource(b)), Options{})
	for _, n := range []int{16, 80, 200} {
		path := "/app/data" + strings.Repeat("/component", n)[:n-len("/app/data")]
		subject := PathSubject(true, path)
		b.Run(fmt.Sprintf("path=%d", n), func(b *testing.B) {
			for b.Loop() {
				t.Match(KindRead, subject)
			}
		})
	}
	subject := PathSubject(false, "/usr/lib/python3.11/site-packages/requests/__pycache__/api.cpython-311.pyc")
	b.Run("baseline", func(b *testing.B) {
		for b.Loop() {
			t.Match(KindRead, subject)
		}
	})
}
