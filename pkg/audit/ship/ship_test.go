// SPDX-License-Identifier: MIT

package ship

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write opens a log, has it say something, and closes it.
func write(t *testing.T, dir string, to ...audit.Shipper) {
	t.Helper()
	l, err := audit.Open(t.Context(), dir, audit.Options{Anchors: to})
	check(t, err)
	check(t, l.Append(&audit.AgentStart{LoadID: "x"}))
	check(t, l.Close(t.Context(), &audit.AgentStop{Reason: "done"}))
}

func last(t *testing.T, name string) *audit.Checkpoint {
	t.Helper()
	f, err := os.Open(name)
	check(t, err)
	defer f.Close()
	note, err := Last(f)
	check(t, err)
	c, err := audit.ReadCheckpoint(note)
	check(t, err)
	return c
}

// A file of checkpoints grows with the log, the last one is the one that counts,
// also behind what a crash cut short, and the log meets it.
func TestFileAnchors(t *testing.T) {
	dir, name := filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "anchor")
	write(t, dir, NewFile(name))
	first := last(t, name)
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	check(t, err)
	_, err = f.WriteString("\n" + first.Origin + "\n999\nAAAA\n\n\u2014 cut sh")
	check(t, err)
	check(t, f.Close())
	if c := last(t, name); *c != *first {
		t.Errorf("the last is %+v, not %+v", c, first)
	}
	write(t, dir, NewFile(name))
	c := last(t, name)
	if c.Size <= first.Size || c.Origin != first.Origin {
		t.Errorf("%+v after %+v", c, first)
	}
	r, err := audit.Verify(t.Context(), dir, audit.VerifyOptions{Anchors: []audit.Anchor{{Origin: c.Origin, Size: c.Size, Root: c.Root}}})
	check(t, err)
	if r.ExitCode() != audit.ExitProven || r.Anchored != c.Size {
		t.Errorf("exit %d, anchored to %d of %d", r.ExitCode(), r.Anchored, c.Size)
	}
}

// A file that knows more of a log than the log itself, or has another's checkpoints,
// takes none: the log says that its anchor lags, and why.
func TestAFileRefusesAnOlderCopy(t *testing.T) {
	dir, name := filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "anchor")
	write(t, dir, NewFile(name))
	write(t, dir, NewFile(name))
	known, err := os.ReadFile(name)
	check(t, err)
	f := NewFile(name)
	c := last(t, name)
	for what, p := range map[string]*audit.Published{
		"shorter":        {Checkpoint: audit.Checkpoint{Origin: c.Origin, Size: c.Size - 1}},
		"another root":   {Checkpoint: audit.Checkpoint{Origin: c.Origin, Size: c.Size}},
		"of another log": {Checkpoint: audit.Checkpoint{Origin: "other", Size: c.Size + 9}},
	} {
		if err := f.Ship(t.Context(), p); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	write(t, other, f)
	r, err := audit.Verify(t.Context(), other, audit.VerifyOptions{Unanchored: true})
	check(t, err)
	if r.Kinds[audit.KindShipAcked] != 0 {
		t.Errorf("%v", r.Kinds)
	}
	if now, _ := os.ReadFile(name); !bytes.Equal(now, known) {
		t.Error("the file has changed")
	}
}

// What is written for people is what `--anchor` takes.
func TestWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	var out bytes.Buffer
	write(t, dir, To([]string{Stderr}, &out)...)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	words := strings.Fields(lines[len(lines)-1])
	if len(words) != 6 || !strings.Contains(words[3], ":") || !strings.HasPrefix(words[5], "standalone/") {
		t.Errorf("%q", out.String())
	}
}
