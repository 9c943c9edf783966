package k8s

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// Bounds of Events.
const (
	eventWindow  = 10 * time.Minute // how long the same is one Event
	eventsKept   = 4096             // different ones in that time
	eventMessage = 1000             // bytes
)

// Component is the name by which Events and managed fields know the agent.
const Component = "safeclaw-node-agent"

// Events tells pods' owners what happens to their pods. The same notice about
// the same pod is one Event with a count for ten minutes. Sending never waits;
// what does not fit is counted.
type Events struct {
	core  corev1client.CoreV1Interface
	node  string
	log   *slog.Logger
	now   func() time.Time
	nonce string // so that a successor's Events have names of their own

	mu      sync.Mutex
	open    map[string]*event // by key
	dropped uint64
	wake    chan struct{}
}

// event is one that counts still.
type event struct {
	notice        Notice
	name          string
	first, last   time.Time
	count, stated int32 // stated: in the API
}

// NewEvents makes Events. Run sends them.
func NewEvents(core corev1client.CoreV1Interface, node string, log *slog.Logger) *Events {
	return &Events{core: core, node: node, log: log, now: time.Now, nonce: rand.Text(), open: map[string]*event{}, wake: make(chan struct{}, 1)}
}

// Send takes a notice in.
func (e *Events) Send(n Notice) {
	if n.Pod.UID == "" {
		return
	}
	h := sha256.Sum256([]byte(strings.Join([]string{n.Pod.UID, n.Reason, n.Message}, "\x00")))
	key := string(h[:])
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	o := e.open[key]
	if o != nil && now.Sub(o.first) > eventWindow && o.count == o.stated {
		delete(e.open, key)
		o = nil
	}
	if o == nil {
		if len(e.open) >= eventsKept {
			e.dropped++
			return
		}
		name := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", key, e.nonce, now.UnixNano()))
		o = &event{notice: n, first: now, name: n.Pod.Name + "." + hex.EncodeToString(name[:8])}
		e.open[key] = o
	}
	o.count++
	o.last = now
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Dropped is how many notices did not fit.
func (e *Events) Dropped() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dropped
}

// Run sends what there is to send, at most once a second for each Event, until
// the context ends.
func (e *Events) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.wake:
		}
		again := e.flush(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if again {
			select {
			case e.wake <- struct{}{}:
			default:
			}
		}
	}
}

// flush states what the API does not have yet, and reports whether something is left.
func (e *Events) flush(ctx context.Context) (again bool) {
	e.mu.Lock()
	var todo []event
	keys := map[string]string{}
	for k, o := range e.open {
		if o.count > o.stated {
			todo = append(todo, *o)
			keys[o.name] = k
		} else if e.now().Sub(o.first) > eventWindow {
			delete(e.open, k)
		}
	}
	e.mu.Unlock()
	for _, o := range todo {
		err := e.state(ctx, o)
		// What the server will never take is not tried again: the pod's namespace
		// is being removed, or we may not.
		final := err == nil || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsInvalid(err)
		if err != nil {
			e.log.Warn("event not sent", "pod", o.notice.Pod.Namespace+"/"+o.notice.Pod.Name, "reason", o.notice.Reason, "error", err)
		}
		if !final {
			again = true
			continue
		}
		e.mu.Lock()
		if now := e.open[keys[o.name]]; now != nil && now.name == o.name {
			now.stated = o.count
		}
		if err != nil {
			e.dropped++
		}
		e.mu.Unlock()
	}
	return again
}

// state creates an Event, or corrects its count.
func (e *Events) state(ctx context.Context, o event) error {
	p := o.notice.Pod
	events := e.core.Events(p.Namespace)
	if o.stated > 0 {
		patch, err := json.Marshal(map[string]any{"count": o.count, "lastTimestamp": metav1.NewTime(o.last)})
		if err != nil {
			return err
		}
		if _, err = events.Patch(ctx, o.name, types.MergePatchType, patch, metav1.PatchOptions{}); !apierrors.IsNotFound(err) {
			return err
		}
		// Events end after an hour by themselves.
	}
	kind := corev1.EventTypeNormal
	if o.notice.Warning {
		kind = corev1.EventTypeWarning
	}
	_, err := events.Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: p.Namespace, Name: o.name},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: types.UID(p.UID)},
		Reason:         o.notice.Reason, Message: cut(o.notice.Message, eventMessage), Type: kind,
		Source:         corev1.EventSource{Component: Component, Host: e.node},
		FirstTimestamp: metav1.NewTime(o.first), LastTimestamp: metav1.NewTime(o.last), Count: o.count,
		ReportingController: Component, ReportingInstance: e.node,
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // the answer to an earlier try was lost
		return nil
	}
	return err
}

// cut shortens a text to so many bytes, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const end = "..."
	n -= len(end)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + end
}
