// Package bench measures what the gate costs, in exact guest instructions. It
// is run by `make bench` in guests booted with -icount.
package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == measureName {
		if err := measure(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	rounds     = 300
	execRounds = 200
	dir        = "/bench" // on the guest's root file system
)

const benchPolicy = `version: 1
rules:
  - action: file.read
    path: "/bench/allowed/**"
    decision: allow
  - action: file.read
    path: "/bench/late/**/x"
    decision: allow
  - action: [file.write, file.delete]
    path: "/bench/allowed/**"
    decision: allow
  - action: process.exec
    path: {glob: ["/bench/allowed/**", "/bench/bin/*"]}
    decision: allow
  - action: network.request
    cidr: 127.0.0.0/8
    port: 53
    decision: allow
`

// Floors: one whose rules are beginnings of paths, and one that can tell only at a
// path's last byte whether it denies.
const (
	benchFloor = `version: 1
rules:
  - action: file.*
    path: {glob: ["/etc/shadow", "/root/**", "/var/run/secrets/**"]}
    decision: deny
  - action: network.request
    host: {endsWith: internal.example}
    decision: deny
`
	lateFloor = `version: 1
rules:
  - action: file.*
    path: {glob: ["/etc/shadow", "/**/id_rsa", "/**/.aws/**"]}
    decision: deny
  - action: network.request
    host: {endsWith: internal.example}
    decision: deny
`
)

// paths have an exact length in bytes; the 80-byte one has 6 components.
func pathOf(first string, length, components int) string {
	p := dir + "/" + first
	rest := length - len(p)
	for i := components - 2; i > 0; i-- {
		n := rest/i - 1
		p += "/" + strings.Repeat(string(rune('a'+i)), n)
		rest -= n + 1
	}
	return p
}

type operationCase struct{ name, op, arg string }

var (
	allow16  = dir + "/allowed/x" // 16 bytes
	allow80  = pathOf("allowed", 80, 6)
	allow200 = pathOf("allowed", 200, 8)
	late80   = pathOf("late", 78, 5) + "/x" // its rule is known at its last byte
	deny80   = pathOf("denied", 80, 6)
)

// TestCost prints the table of docs/performance.md.
func TestCost(t *testing.T) {
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Log("not in a guest: `make bench` measures")
		return
	}
	prepareFiles(t)
	ops := []operationCase{
		{"open+close, 16-byte path", "open", allow16},
		{"open+close, 80-byte path", "open", allow80},
		{"open+close, 200-byte path", "open", allow200},
		{"open+close, 80-byte path, denied", "open", deny80},
		{"execve of no program (ENOEXEC)", "noexec", allow80},
		{"fork+execve+wait", "exec", dir + "/allowed/true"},
		{"connect (UDP)", "connect", "53"},
		{"connect (UDP), denied", "connect", "54"},
		{"mknod+unlink", "mknod", allow80 + "n"},
		{"mkdir+rmdir", "mkdir", allow80 + "d"},
		{"link+unlink", "link", allow80},
		{"rename there and back", "rename", allow80},
		{"chmod", "chmod", allow80},
		{"truncate", "truncate", allow80},
		{"utimensat", "utimes", allow80},
		{"setxattr", "setxattr", allow80},
		{"open+close, 80-byte path, read to its end", "open", late80},
	}
	res := map[string][]int64{}
	run := func(setting string) {
		for _, o := range ops {
			res[setting] = append(res[setting], measured(t, nil, o))
		}
	}
	run("none")
	remove := attachEmpty(t)
	run("empty")
	empty := perHook(t, ops)
	remove()
	g, err := loader.Load(context.Background(), loader.Options{Protect: true})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	run("ungated")
	gate := perHook(t, ops)
	grp, slot := bind(t, g)
	for _, o := range ops {
		res["gated"] = append(res["gated"], measured(t, grp, o))
	}
	t.Logf("table of %d bytes in slot %d", len(g.Tables(slot).Blob), slot)
	if err := g.ReplacePolicy(slot, compile(t, benchFloor)); err != nil {
		t.Fatal(err)
	}
	floor := measured(t, grp, ops[1])
	if err := g.ReplacePolicy(slot, compile(t, lateFloor)); err != nil {
		t.Fatal(err)
	}
	late := measured(t, grp, ops[1])
	environment := environmentCost(t, g, grp, slot)
	fmt.Printf("\nBENCH Kernel %s, guest instructions, least of %d rounds:\nBENCH\n", release(t), rounds)
	fmt.Printf("BENCH | operation | no program | empty programs | ungated | gated | ungated - empty | gated - none |\n")
	fmt.Printf("BENCH |---|---|---|---|---|---|---|\n")
	for i, o := range ops {
		n, e, u, ga := res["none"][i], res["empty"][i], res["ungated"][i], res["gated"][i]
		fmt.Printf("BENCH | %s | %d | %d | %d | %d | %d | %d |\n", o.name, n, e, u, ga, u-e, ga-n)
	}
	printHooks(t, empty, gate)
	budget(t, "ungated open+close beyond empty programs", res["ungated"][1]-res["empty"][1], 110)
	budget(t, "ungated connect beyond empty programs", res["ungated"][6]-res["empty"][6], 110)
	more := int64(0)
	if g.Variant() == loader.VariantPlain {
		more = 2000 // the walk reads addresses
	}
	budget(t, "gated allow of an 80-byte path, open+close", res["gated"][1]-res["none"][1], 3500+more)
	budget(t, "the same with a floor", floor-res["none"][1], 3900+more)
	budget(t, "an exec with 2,048 bytes of environment, of a program that the policy names, beyond one that it does not", environment, 40000)
	last := len(ops) - 1
	budget(t, "gated allow of an 80-byte path read to its end", res["gated"][last]-res["none"][last], 4200+more)
	budget(t, "an 80-byte path that a floor reads to its end", late-res["none"][1], 4200+more)
}

// environmentCost is what a look through the environment costs.
func environmentCost(t *testing.T, g *loader.Gate, grp *cgroup.Group, slot uint32) int64 {
	t.Helper()
	op := operationCase{op: "exec-env", arg: dir + "/allowed/true"}
	var costs [2]int64
	for i, exe := range []string{dir + "/none", op.arg} {
		p, err := policy.Parse("bench.yaml", []byte(benchPolicy+"  - {action: file.read, path: /none, exe: "+exe+", decision: allow}\n"))
		if err != nil {
			t.Fatal(err)
		}
		tables, err := policy.Compile(p, policy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.ReplacePolicy(slot, tables); err != nil {
			t.Fatal(err)
		}
		costs[i] = measured(t, grp, op)
	}
	return costs[1] - costs[0]
}

// budget holds a count against its limit; counts do not depend on the machine.
// Only -icount gives counts.
func budget(t *testing.T, what string, got, limit int64) {
	t.Helper()
	if os.Getenv("SAFECLAW_ICOUNT") != "1" {
		return
	}
	fmt.Printf("BENCH - budget: %s: %d of %d\n", what, got, limit)
	if got > limit {
		t.Errorf("%s costs %d instructions, the budget is %d", what, got, limit)
	}
}

func release(t *testing.T) string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func prepareFiles(t *testing.T) {
	t.Helper()
	for _, p := range []string{allow16, allow80, allow200, late80, deny80} {
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(p, []byte("x"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	for p, b := range map[string][]byte{dir + "/bin/" + measureName: self, dir + "/allowed/true": tinyELF()} {
		if err := writeFile(p, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
}

// measured is the least of several processes: what an exec costs depends a
// little on where a process's pages happen to lie.
func measured(t *testing.T, g *cgroup.Group, o operationCase) int64 {
	t.Helper()
	n := 1
	if strings.HasPrefix(o.op, "exec") || o.op == "noexec" {
		n = 6
	}
	least := run1(t, g, o)
	for range n - 1 {
		least = min(least, run1(t, g, o))
	}
	return least
}

// run1 measures one operation, in a cgroup if one is given.
func run1(t *testing.T, g *cgroup.Group, o operationCase) int64 {
	t.Helper()
	n := rounds
	if strings.HasPrefix(o.op, "exec") {
		n = execRounds
	}
	cmd := exec.Command(dir+"/bin/"+measureName, o.op, strconv.Itoa(n), o.arg)
	cmd.Stderr = os.Stderr
	if g != nil {
		f, err := g.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.SysProcAttr = inGroup(f)
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("measure %s: %v", o.name, err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

// compile compiles the policy, below a floor if one is given.
func compile(t *testing.T, floor string) *policy.Tables {
	t.Helper()
	o := policy.Options{DefaultBaseline: "runtime"}
	if floor != "" {
		f, err := policy.ParseFloor("floor", []byte(floor))
		if err != nil {
			t.Fatal(err)
		}
		o.Floor = f
	}
	p, err := policy.Parse("bench", []byte(benchPolicy))
	if err != nil {
		t.Fatal(err)
	}
	tab, err := policy.Compile(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func bind(t *testing.T, g *loader.Gate) (*cgroup.Group, uint32) {
	t.Helper()
	slot, err := g.InstallPolicy(compile(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	mount, err := cgroup.Mount("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	grp, err := cgroup.Make(mount, "bench")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = grp.Remove() })
	id, err := grp.ID()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Bind(id, loader.BindAny, slot); err != nil {
		t.Fatal(err)
	}
	return grp, slot
}
