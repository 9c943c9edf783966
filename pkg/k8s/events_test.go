package k8s

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ktesting "k8s.io/client-go/testing"
)

func newEvents(f fakeCore) (*Events, *time.Time) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	e := NewEvents(f, "here", slog.New(slog.DiscardHandler))
	e.now = func() time.Time { return now }
	return e, &now
}

func (f fakeCore) events(t *testing.T) []corev1.Event {
	t.Helper()
	l, err := f.Events("team").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return l.Items
}

func TestEvents(t *testing.T) {
	f := newFake()
	e, now := newEvents(f)
	n := Notice{Pod: &Pod{Namespace: "team", Name: "web", UID: "u"}, Reason: ReasonMissing, Message: "there is none", Warning: true}
	for range 3 {
		e.Send(n)
	}
	if e.flush(t.Context()) {
		t.Error("something is left")
	}
	*now = now.Add(time.Minute)
	e.Send(n)
	other := n
	other.Message = "still none"
	e.Send(other)
	e.Send(Notice{Pod: &Pod{Namespace: "team", Name: "remembered"}}) // nobody has it: there is no object to be about
	if e.flush(t.Context()) {
		t.Error("something is left")
	}
	got := map[string]corev1.Event{}
	for _, o := range f.events(t) {
		got[o.Message] = o
	}
	if len(got) != 2 {
		t.Fatalf("%d events: %v", len(got), got)
	}
	o := got["there is none"]
	if o.Count != 4 || o.Type != "Warning" || o.Reason != ReasonMissing || o.InvolvedObject.UID != "u" || o.InvolvedObject.Kind != "Pod" || o.InvolvedObject.Name != "web" ||
		o.LastTimestamp.Sub(o.FirstTimestamp.Time) != time.Minute || !strings.HasPrefix(o.Name, "web.") || o.Source.Host != "here" {
		t.Errorf("%+v", o)
	}
	if got["still none"].Count != 1 {
		t.Errorf("%+v", got["still none"])
	}
	// After ten minutes the same is a new one.
	*now = now.Add(eventWindow)
	e.Send(n)
	e.flush(t.Context())
	if l := f.events(t); len(l) != 3 {
		t.Errorf("%d events", len(l))
	}
	*now = now.Add(2 * eventWindow)
	e.flush(t.Context())
	if len(e.open) != 0 {
		t.Errorf("%d are kept for ever", len(e.open))
	}
}

func TestEventsTrouble(t *testing.T) {
	f := newFake()
	var answer error
	f.set.PrependReactor("create", "events", func(ktesting.Action) (bool, runtime.Object, error) { return answer != nil, nil, answer })
	e, _ := newEvents(f)
	pod := &Pod{Namespace: "team", Name: "web", UID: "u"}
	answer = errors.New("no route to host")
	e.Send(Notice{Pod: pod, Reason: "R", Message: strings.Repeat("ü", 600)})
	for range 2 {
		if !e.flush(t.Context()) || e.Dropped() != 0 {
			t.Error("it is not tried again")
		}
	}
	answer = nil
	if e.flush(t.Context()) {
		t.Error("something is left")
	}
	if l := f.events(t); len(l) != 1 || l[0].Count != 1 || len(l[0].Message) > eventMessage || !strings.HasSuffix(l[0].Message, "ü...") {
		t.Errorf("%+v", l)
	}
	answer = apierrors.NewForbidden(corev1.Resource("events"), "x", errors.New("the namespace is terminating"))
	e.Send(Notice{Pod: pod, Reason: "R", Message: "never"})
	if e.flush(t.Context()) || e.Dropped() != 1 {
		t.Errorf("what is refused is tried again, or not counted: %d", e.Dropped())
	}
	answer = nil
	for i := range eventsKept + 10 {
		e.Send(Notice{Pod: pod, Reason: "R", Message: strings.Repeat("x", i)})
	}
	if e.Dropped() != 1+2+10 || len(e.open) != eventsKept {
		t.Errorf("%d dropped, %d kept", e.Dropped(), len(e.open))
	}
}

// TestEventsRun: what is sent while it runs arrives.
func TestEventsRun(t *testing.T) {
	f := newFake()
	arrived := make(chan string, 10)
	f.set.PrependReactor("create", "events", func(a ktesting.Action) (bool, runtime.Object, error) {
		arrived <- a.(ktesting.CreateAction).GetObject().(*corev1.Event).Message
		return false, nil, nil
	})
	e := NewEvents(f, "here", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	for _, m := range []string{"one", "two"} {
		e.Send(Notice{Pod: &Pod{Namespace: "team", Name: "web", UID: "u"}, Reason: "R", Message: m})
		if got := <-arrived; got != m {
			t.Errorf("%q", got)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
