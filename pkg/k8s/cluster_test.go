package k8s

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ktesting "k8s.io/client-go/testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// TestLife goes with one pod through what can happen to its policy.
func TestLife(t *testing.T) {
	f := newFake()
	r := start(t, f, Options{StateDir: t.TempDir()})
	f.pod(t, object("free"))
	f.pod(t, object("web", labelled("p")))
	r.until(t, "free", "free")
	r.until(t, "web", "denied")
	r.heard(t, "web", ReasonMissing, "there is no ConfigMap team/p")

	f.policy(t, "p", badText)
	r.heard(t, "web", ReasonRejected, `team/p:3:`) // file, line
	r.until(t, "web", "denied")
	f.policy(t, "p", goodText)
	r.until(t, "web", "good")
	r.heard(t, "web", ReasonApplied, "policy team/p is in force")

	// A bad update keeps it, for those who had it.
	f.policy(t, "p", badText)
	r.until(t, "web", "good!")
	r.heard(t, "web", ReasonRejected, "stays in force")
	f.pod(t, object("second", labelled("p")))
	r.until(t, "second", "denied")
	f.policy(t, "p", newText)
	r.until(t, "web", "new")
	r.until(t, "second", "new")

	// So does deleting it.
	if err := f.ConfigMaps("team").Delete(t.Context(), "p", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until(t, "web", "new!")
	r.heard(t, "web", ReasonMissing, "stays in force")
	f.pod(t, object("third", labelled("p")))
	r.until(t, "third", "denied")

	// A label that goes, changes, or an annotation that comes, changes nothing.
	f.policy(t, "p", goodText)
	f.policy(t, "loose", newText)
	r.until(t, "web", "good")
	f.pod(t, object("web"))
	r.heard(t, "web", ReasonLabelIgnored, "were changed on the running pod")
	r.until(t, "web", "good")
	f.pod(t, object("web", labelled("loose"), annotated("main", "loose")))
	f.policy(t, "p", newText) // seen after the pod, or before: both are there in the end
	r.until(t, "web", "new")
	// A label that comes late is.
	f.pod(t, object("free", labelled("p")))
	r.until(t, "free", "new")
	f.pod(t, object("free"))
	r.heard(t, "free", ReasonLabelIgnored, "were changed on the running pod")
	r.until(t, "free", "new")

	// A name is not a pod: its successor is another one.
	if err := f.Pods("team").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until(t, "web", "")
	f.pod(t, object("web", func(o *corev1.Pod) { o.UID = "uid-later" }))
	r.until(t, "web", "free")
}

func TestOptOutAllowed(t *testing.T) {
	f := newFake()
	f.configMap(t, "agent", SettingsName, SettingsKey, "version: 1\noptOut: allow\n")
	f.policy(t, "p", goodText)
	f.policy(t, "q", newText)
	r := start(t, f, Options{})
	f.pod(t, object("web", labelled("p")))
	r.until(t, "web", "good")
	f.pod(t, object("web", labelled("q")))
	r.until(t, "web", "new")
	f.pod(t, object("web", labelled("missing")))
	r.until(t, "web", "denied") // the last good version is of another policy
	f.pod(t, object("web"))
	r.until(t, "web", "free")
}

func TestContainers(t *testing.T) {
	f := newFake()
	f.configMap(t, "agent", SettingsName, SettingsKey, "version: 1\nexemptContainers: [{name: proxy}]\n")
	f.policy(t, "p", goodText)
	f.policy(t, "q", newText)
	r := start(t, f, Options{})
	f.pod(t, object("a", labelled("p"), annotated("main", "q"), annotated("proxy", "none")))
	r.until(t, "a", "good main=new proxy=exempt")
	f.pod(t, object("b", labelled("p"), annotated("main", "none"), annotated("other", "q")))
	r.until(t, "b", "good")
	r.heard(t, "b", ReasonExempt, "container main is not exempt")
	r.heard(t, "b", ReasonContainer, "the pod has no container other")
	f.pod(t, object("c", labelled("p"), annotated("main", "missing")))
	r.until(t, "c", "good main=denied")
	f.pod(t, object("d", annotated("main", "q")))
	r.until(t, "d", "free")
	r.heard(t, "d", ReasonContainer, "mean nothing without the label")
	f.pod(t, object("e", labelled("")))
	r.until(t, "e", "denied")
}

func TestRequire(t *testing.T) {
	f := newFake()
	settings := `version: 1
exemptContainers: [{name: proxy}, {name: main, image: i/main}]
require:
  - {podSelector: "app=agent", policy: strict}
  - {namespaceSelector: "tier=agents", podSelector: "app!=own"}
`
	f.configMap(t, "agent", SettingsName, SettingsKey, settings)
	f.configMap(t, "agent", "strict", policy.ManifestKey, goodText)
	f.policy(t, "loose", newText)
	if _, err := f.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r := start(t, f, Options{Self: "uid-self"})
	agent := func(o *corev1.Pod) { o.Labels["app"] = "agent" }
	f.pod(t, object("self", agent))
	f.pod(t, object("a", agent))
	f.pod(t, object("b", agent, labelled("loose"), annotated("main", "loose")))
	f.pod(t, object("c", agent, annotated("proxy", "none"), annotated("main", "none")))
	f.pod(t, object("d"))
	r.until(t, "a", "good")
	r.until(t, "b", "good")
	r.heard(t, "b", ReasonLabelIgnored, "requires the policy strict")
	// Anybody can call a container proxy: an exemption without image is none here.
	r.until(t, "c", "good main=exempt")
	r.until(t, "d", "free")
	r.until(t, "self", "free")
	// Whoever takes the label off the pod does not take it out.
	f.pod(t, object("a"))
	f.policy(t, "x", newText)
	f.pod(t, object("mark", labelled("x")))
	r.until(t, "mark", "new")
	r.until(t, "a", "good")

	// A namespace that becomes one of those where every pod must be gated.
	if _, err := f.Namespaces().Update(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team", Labels: map[string]string{"tier": "agents"}}}, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	p := r.until(t, "d", "denied")
	if !strings.Contains(p.Gate.Denied, "requires a policy") {
		t.Error(p.Gate.Denied)
	}
	r.until(t, "mark", "new")
	r.until(t, "self", "free")

	// The operator may take an entry away.
	f.configMap(t, "agent", SettingsName, SettingsKey, "version: 1\n")
	r.until(t, "a", "free")
	r.until(t, "d", "free")
	r.until(t, "b", "new main=new")
}

// TestNamespaceUnknown: as long as nobody knows a namespace's labels, nobody
// knows whether its pods must be gated.
func TestNamespaceUnknown(t *testing.T) {
	f := newFake()
	f.configMap(t, "agent", SettingsName, SettingsKey, "version: 1\nrequire: [{namespaceSelector: tier=agents}]\n")
	r := start(t, f, Options{})
	f.pod(t, object("a"))
	r.until(t, "a", "pending")
	if _, err := f.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until(t, "a", "free")
}

func TestFloor(t *testing.T) {
	const floor = "version: 1\nrules: [{action: file.read, path: /a, decision: deny}]\n"
	f := newFake()
	f.policy(t, "p", goodText)
	f.policy(t, "q", newText)
	f.configMap(t, "agent", FloorName, policy.ManifestKey, "version: 1\nrules: [{action: file.read, path: /a, decision: allow}]\n")
	dir := t.TempDir()
	r := start(t, f, Options{StateDir: dir})
	f.pod(t, object("a", labelled("p")))
	f.pod(t, object("b", labelled("q")))
	f.pod(t, object("c"))
	r.until(t, "a", "denied") // a bad floor, and never a good one
	r.until(t, "b", "denied")
	r.until(t, "c", "free")
	if len(r.last.Problems) != 1 || !strings.Contains(r.last.Problems[0], "safeclaw-floor:2:") {
		t.Errorf("problems %q", r.last.Problems)
	}
	f.configMap(t, "agent", FloorName, policy.ManifestKey, floor)
	r.until(t, "b", "new")
	p, _ := r.pod("a")
	if e := p.Gate.Enforced; e.Denied != "" || allows(e.Tables, "/a") {
		t.Errorf("the floor does not hold: %+v", e)
	}
	// Neither a bad one nor none loosens it, also after a restart.
	f.configMap(t, "agent", FloorName, policy.ManifestKey, badText)
	for len(r.last.Problems) == 0 {
		r.last = <-r.desired
	}
	if err := f.ConfigMaps("agent").Delete(t.Context(), FloorName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(strings.Join(r.last.Problems, ""), "was deleted") {
		r.last = <-r.desired
	}
	for range 2 {
		r.until(t, "b", "new")
		p, _ = r.pod("a")
		if e := p.Gate.Enforced; e.Denied != "" || allows(e.Tables, "/a") || r.last.Floor == nil {
			t.Errorf("the floor does not hold: %+v", e)
		}
		r.stop()
		r = start(t, f, Options{StateDir: dir})
	}
}

// TestRemembered: with the API server down what was in force is, and nothing is
// loosened by what happened meanwhile.
func TestRemembered(t *testing.T) {
	dir := t.TempDir()
	f := newFake()
	f.policy(t, "p", goodText)
	f.policy(t, "q", newText)
	r := start(t, f, Options{StateDir: dir})
	f.pod(t, object("web", labelled("p"), annotated("main", "q")))
	f.pod(t, object("free"))
	r.until(t, "web", "good main=new")
	r.until(t, "free", "free")
	r.stop()

	down := newFake()
	down.set.PrependReactor("list", "*", func(ktesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("no route to host") })
	r = start(t, down, Options{StateDir: dir})
	if p := r.until(t, "web", "good! main=new!"); !r.last.Remembered || p.CgroupUID != "uid-web" {
		t.Errorf("%+v", p)
	}
	r.until(t, "free", "")
	r.stop()

	// Meanwhile label and policy have gone.
	later := newFake()
	later.pod(t, object("web"))
	r = start(t, later, Options{StateDir: dir})
	for r.last == nil || r.last.Remembered {
		r.last = <-r.desired
	}
	r.until(t, "web", "good! main=new!")
	r.heard(t, "web", ReasonLabelIgnored, "were changed")
	r.stop()

	// Texts that nobody names any more are not kept.
	if err := later.Pods("team").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	running := true
	r = start(t, later, Options{StateDir: dir, Running: func(string) bool { return running }})
	for r.last == nil || r.last.Remembered {
		r.last = <-r.desired
	}
	r.stop()
	if texts(t, dir) != 2 {
		t.Errorf("%d texts of a pod that runs still", texts(t, dir))
	}
	running = false
	r = start(t, later, Options{StateDir: dir})
	for r.last == nil || r.last.Remembered {
		r.last = <-r.desired
	}
	r.stop()
	if texts(t, dir) != 0 {
		t.Errorf("%d texts of nobody", texts(t, dir))
	}
}

func texts(t *testing.T, dir string) int {
	t.Helper()
	es, err := os.ReadDir(filepath.Join(dir, textsDir))
	if err != nil {
		t.Fatal(err)
	}
	return len(es)
}

// TestDamagedState: what cannot be read is not known, which gates.
func TestDamagedState(t *testing.T) {
	dir := t.TempDir()
	f := newFake()
	f.policy(t, "p", goodText)
	r := start(t, f, Options{StateDir: dir})
	f.pod(t, object("web", labelled("p")))
	r.until(t, "web", "good")
	r.stop()
	files, err := filepath.Glob(filepath.Join(dir, textsDir, "*.yaml"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte(newText), 0o600); err != nil {
		t.Fatal(err)
	}
	gone := newFake()
	gone.pod(t, object("web", labelled("p")))
	r = start(t, gone, Options{StateDir: dir})
	r.until(t, "web", "denied")
	r.stop()
	if err := os.WriteFile(filepath.Join(dir, memoryFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, f, Options{StateDir: dir})
	r.until(t, "web", "good")
}

// TestClaimedUID: a pod that passes as another one's mirror takes nothing from it.
func TestClaimedUID(t *testing.T) {
	f := newFake()
	f.policy(t, "p", goodText)
	r := start(t, f, Options{})
	mirror := func(hash string) func(*corev1.Pod) {
		return func(o *corev1.Pod) { o.Annotations[mirrorAnnotation] = hash }
	}
	f.pod(t, object("aaa", mirror("uid-web"))) // by name and UID the first
	f.pod(t, object("web", labelled("p")))
	r.until(t, "web", "good")
	r.until(t, "aaa", "")
	// A static pod's cgroup has its hash. Its mirror may be deleted and made anew.
	f.pod(t, object("static", mirror("0123"), labelled("p")))
	if p := r.until(t, "static", "good"); p.CgroupUID != "0123" || !p.Static {
		t.Errorf("%+v", p.Pod)
	}
	f.pod(t, object("aab", mirror("0123")))
	f.pod(t, object("zz", labelled("p")))
	r.until(t, "zz", "good")
	r.until(t, "static", "good")
	r.until(t, "aab", "")
}

// TestOnlyThisNode: nothing is asked that does not concern the node's pods.
func TestOnlyThisNode(t *testing.T) {
	f := newFake()
	f.policy(t, "p", goodText)
	r := start(t, f, Options{})
	f.pod(t, object("web", labelled("p")))
	r.until(t, "web", "good")
	for _, a := range f.set.Actions() {
		var sel string
		switch a := a.(type) {
		case ktesting.ListAction:
			sel = a.GetListRestrictions().Fields.String()
		case ktesting.WatchAction:
			sel = a.GetWatchRestrictions().Fields.String()
		default:
			continue
		}
		what := a.GetResource().Resource + " " + a.GetNamespace() + " " + sel
		switch what {
		case "pods  spec.nodeName=here", "configmaps team metadata.name=p", "configmaps agent metadata.name=safeclaw-node", "configmaps agent metadata.name=safeclaw-floor":
		default:
			t.Errorf("asked for %q", what)
		}
	}
	// Nobody names it any more: its watch ends.
	if err := f.Pods("team").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until(t, "web", "")
}

// TestNewest: however many changes there were while one was applied, the last
// one is what is applied next.
func TestNewest(t *testing.T) {
	f := newFake()
	f.policy(t, "p", goodText)
	f.pod(t, object("web", labelled("p")))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls, seen := 0, ""
	enter, leave := make(chan bool), make(chan bool)
	go func() {
		_ = New(f, Options{Node: "here", Namespace: "agent"}).Run(ctx, func(d *Desired) {
			calls++
			seen = ""
			for _, p := range d.Pods {
				seen = describe(p)
			}
			enter <- true
			<-leave
		}, func(Notice) {})
	}()
	for <-enter; seen != "good"; <-enter {
		leave <- true
	}
	before := calls
	for i := range 50 {
		f.policy(t, "p", []string{newText, goodText}[i%2])
	}
	f.policy(t, "p", newText)
	for seen != "new" {
		leave <- true
		<-enter
	}
	if calls-before > 10 {
		t.Errorf("%d calls for 51 changes during one", calls-before)
	}
	cancel()
	close(leave)
}
