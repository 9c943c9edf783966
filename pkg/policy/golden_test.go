package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func referenceSource(t testing.TB) []byte {
	t.Helper()
	src, err := os.ReadFile("testdata/safeclaw-policy.configmap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func mustParse(t testing.TB, src string) *Policy {
	t.Helper()
	p, err := Parse("policy.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustCompile(t testing.TB, src string, o Options) *Tables {
	t.Helper()
	tables, err := Compile(mustParse(t, src), o)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// The reference policy is accepted byte for byte, forever.
func TestReferencePolicyIsUnchanged(t *testing.T) {
	const want = "eb574b4b02660d78be565f84e174beab829f60b81f436067a3e17a5149228469"
	if got := hexSum(referenceSource(t)); got != want {
		t.Errorf("the golden fixture has SHA-256 %s, want %s", got, want)
	}
}

func hexSum(b []byte) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	for _, c := range sha256.Sum256(b) {
		out.WriteByte(digits[c>>4])
		out.WriteByte(digits[c&15])
	}
	return out.String()
}

func TestReferencePolicySource(t *testing.T) {
	p := mustParse(t, string(referenceSource(t)))
	if !strings.HasPrefix(string(p.Source), "version: 1\ndefaultAction: deny\n") || !strings.HasSuffix(string(p.Source), "decision: allow\n") {
		t.Errorf("the embedded source is %q", p.Source)
	}
	var lines []int
	for _, r := range p.Rules {
		lines = append(lines, r.Line)
	}
	if diff := cmp.Diff([]int{12, 16, 20, 22, 26}, lines); diff != "" {
		t.Errorf("lines of the rules (-want +got):\n%s", diff)
	}
}

func TestReferencePolicyVerdicts(t *testing.T) {
	tables := mustCompile(t, string(referenceSource(t)), Options{})
	addr := func(s string) []byte { return AddrSubject(false, netip.MustParseAddr(s), 6, 443) }
	for _, tt := range []struct {
		kind    Kind
		subject []byte
		rule    string
		allow   bool
	}{
		{KindRead, PathSubject(true, "/app/data"), "rules[0]", true},
		{KindRead, PathSubject(true, "/app/data/x/y"), "rules[0]", true},
		{KindRead, PathSubject(false, "/app/data/x"), "rules[0]", true},
		{KindRead, PathSubject(true, "/app/database"), "default", false},
		{KindRead, PathSubject(false, "/app/agent.py"), "baseline/image-files", true},
		{KindRead, PathSubject(false, "/etc/shadow"), "default", false},
		{KindRead, PathSubject(true, "/var/run/secrets/kubernetes.io/serviceaccount/token"), "default", false},
		{KindRead, PathSubject(true, "/app/output/x"), "default", false},
		{KindWrite, PathSubject(true, "/app/output/x"), "rules[1]", true},
		{KindWrite, PathSubject(true, "/app/data/x"), "default", false},
		{KindWrite, PathSubject(false, "/tmp/x"), "default", false},
		{KindDelete, PathSubject(true, "/app/output/x"), "rules[1]", true},
		{KindDelete, PathSubject(true, "/app/data/x"), "default", false},
		{KindExec, PathSubject(false, "/bin/sh"), "rules[2]", false},
		{KindExec, PathSubject(false, "/usr/bin/node"), "rules[2]", false},
		{KindExec, NoPathSubject(), "rules[2]", false},
		{KindMap, PathSubject(false, "/usr/lib/x86_64-linux-gnu/libc.so.6"), "baseline/image-shared-objects", true},
		{KindMap, PathSubject(true, "/app/output/evil.so"), "rules[2]", false},
		{KindHost, HostSubject("api.openai.com"), "rules[3]", true},
		{KindHost, HostSubject("API.OpenAI.com."), "rules[3]", true},
		{KindHost, HostSubject("evil-api.openai.com"), "default", false},
		{KindHost, HostSubject("x.internal.svc.cluster.local"), "rules[4]", true},
		{KindHost, HostSubject("internal.svc.cluster.local"), "default", false},
		{KindHost, HostSubject("evilinternal.svc.cluster.local"), "default", false},
		{KindAddr, addr("8.8.8.8"), "default", false},
		{KindAddr, addr("127.0.0.1"), "builtin/loopback", true},
		{KindAddr, addr("169.254.169.254"), "builtin/metadata", false},
	} {
		v := tables.Match(tt.kind, tt.subject)
		if name := tables.Rules[v.Rule].Name; name != tt.rule || v.Allow != tt.allow {
			t.Errorf("%s %q: %s, allow %v; want %s, %v", tt.kind, tt.subject, name, v.Allow, tt.rule, tt.allow)
		}
	}
}

func TestReferencePolicyFitsTheSmallTable(t *testing.T) {
	for _, baseline := range []string{"image", "runtime"} {
		tables := mustCompile(t, string(referenceSource(t)), Options{DefaultBaseline: baseline})
		t.Logf("%s: %d bytes, states by kind %v, classes %v", baseline, len(tables.Blob), tables.States, tables.Classes)
		if len(tables.Blob) > SmallTable*3/4 {
			t.Errorf("%s: %d bytes leave less than a quarter of the small table to users", baseline, len(tables.Blob))
		}
		if tables.SizeClass() != SmallTable {
			t.Errorf("%s: size class %d", baseline, tables.SizeClass())
		}
	}
}

func TestHashAndIdentity(t *testing.T) {
	src := string(referenceSource(t))
	a, b := mustCompile(t, src, Options{}), mustCompile(t, src, Options{})
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("two compilations differ (-first +second):\n%s", diff)
	}
	if a.SourceHash != sha256.Sum256(mustParse(t, src).Source) {
		t.Error("SourceHash is not that of the source")
	}
	blob := append([]byte(nil), a.Blob...)
	if got := binary.LittleEndian.Uint64(blob[offID:]); got != a.ID || got != binary.LittleEndian.Uint64(a.Hash[:]) {
		t.Errorf("id in the blob %x, ID %x, hash %x", got, a.ID, a.Hash)
	}
	clear(blob[offID : offID+8])
	if sha256.Sum256(blob) != a.Hash {
		t.Error("Hash is not that of the blob with the id zero")
	}
	if c := mustCompile(t, src, Options{Mode: "observe"}); c.Hash == a.Hash {
		t.Error("observe does not change the hash")
	}
}
