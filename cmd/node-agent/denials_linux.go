package main

import (
	"fmt"
	"io"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// denialsMax bounds how many different denials are told apart for printing.
// The log has every one.
const denialsMax = 1000

// denials prints each different denial once, as it happens, and in the end how
// often the repeated ones came.
//
// It prints from a goroutine of its own: the program shares the terminal and
// can stop it, which must not stop the reader of the ring.
type denials struct {
	queue   chan *audit.Decision
	done    chan struct{}
	dropped atomic.Int64

	w     io.Writer
	color bool
	seen  map[string]int
	order []string
	more  int
	would uint64
}

func newDenials(w io.Writer, color bool) *denials {
	d := &denials{w: w, color: color, seen: map[string]int{}, queue: make(chan *audit.Decision, 4096), done: make(chan struct{})}
	go func() {
		defer close(d.done)
		for r := range d.queue {
			d.show(r)
		}
	}()
	return d
}

// print queues a denial; where the terminal does not keep up it is left to the log.
func (d *denials) print(r *audit.Decision) {
	if r.Verdict == audit.WouldDeny {
		d.would++
	}
	select {
	case d.queue <- r:
	default:
		d.dropped.Add(1)
	}
}

// close waits until what is queued has been printed, but not for ever.
func (d *denials) close() bool {
	close(d.queue)
	select {
	case <-d.done:
		return true
	case <-time.After(2 * time.Second):
		return false
	}
}

func (d *denials) show(r *audit.Decision) {
	verb := "denied"
	if r.Verdict == audit.WouldDeny {
		verb = "would deny"
	}
	who := printable(string(r.Process.Comm))
	if len(r.Process.Exe) > 0 {
		who = printable(path.Base(string(r.Process.Exe)))
	}
	subject := printable(string(r.Subject))
	if subject == "" {
		subject = "(" + r.Class + ")"
	}
	action := r.Action
	if r.Hook == "mmap_file" || r.Hook == "file_mprotect" {
		action += " (mapping)"
	}
	key := strings.Join([]string{verb, action, subject, who, r.Rule}, "\x00")
	if n := d.seen[key]; n > 0 {
		d.seen[key]++
		return
	}
	if len(d.seen) >= denialsMax {
		d.more++
		return
	}
	d.seen[key] = 1
	what := fmt.Sprintf("%s %s", action, subject)
	d.order = append(d.order, key)
	why := r.Rule
	if r.Reason != "" {
		why += ": " + printable(r.Reason)
	}
	on, off := "", ""
	if d.color {
		on, off = red, plain
	}
	fmt.Fprintf(d.w, "safeclaw: %s%s%s %s by %s[%d] uid %d (rule %s)\n", on, verb, off, what, who, r.Process.PID, r.Process.UID, why)
}

// repeats prints what came more than once.
func (d *denials) repeats() {
	for _, k := range d.order {
		if n := d.seen[k]; n > 1 {
			p := strings.Split(k, "\x00")
			fmt.Fprintf(d.w, "safeclaw: %s %d times in all: %s %s by %s\n", p[0], n, p[1], p[2], p[3])
		}
	}
	if n := int64(d.more) + d.dropped.Load(); n > 0 {
		fmt.Fprintf(d.w, "safeclaw: %d more denials; see the log\n", n)
	}
}
