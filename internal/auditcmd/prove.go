package auditcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/audit/proof"
)

func proveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "prove DIR SEQ",
		Short: "Write a proof that a record is in the log, for somebody who has no log",
		Long: `Writes a C2SP tlog-proof of one record: the record, the hashes that lead from it to
the root, and a checkpoint with that root. It is against the checkpoint given with
--anchor, or the newest one in the log; 20 hashes for a million records. Nothing is
written if the log does not hold.`,
		Args: cobra.ExactArgs(2),
	}
	given := c.Flags().String("anchor", "", "a file with the checkpoint to prove it against, or SIZE:ROOT")
	c.RunE = func(c *cobra.Command, args []string) error {
		seq, err := strconv.ParseUint(args[1], 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no sequence number", args[1])
		}
		p := prover{dir: args[0], seq: seq}
		if *given != "" {
			if p.against, err = checkpoint(*given); err != nil {
				return fmt.Errorf("anchor %s: %w", *given, err)
			}
			p.anchor = *given
		}
		f, err := p.prove(c.Context())
		if err != nil {
			return err
		}
		_, err = c.OutOrStdout().Write(f.Marshal())
		return err
	}
	return c
}

type prover struct {
	dir     string
	seq     uint64
	against *proof.Checkpoint
	anchor  string // where against is from
	line    []byte
}

func (p *prover) prove(ctx context.Context) (*proof.File, error) {
	// Which tree, is known only at the end of the log.
	rep, err := records(ctx, p.dir, p.first)
	if err != nil {
		return nil, err
	}
	switch size := rep.Committed.Size; {
	case p.line == nil:
		return nil, fmt.Errorf("record %d is not in the log: it has the committed records %d to %d", p.seq, rep.FirstSeq, rep.Committed.Seq)
	case p.against != nil && p.against.Size > size:
		return nil, fmt.Errorf("the log ends after %d committed records, the checkpoint is of %d", size, p.against.Size)
	case p.against == nil && p.seq >= size:
		return nil, fmt.Errorf("record %d is the last commit: no later record vouches for it yet", p.seq)
	case p.against == nil:
		root, err := proof.ParseHash(rep.Committed.Root)
		if err != nil {
			return nil, err
		}
		p.against = &proof.Checkpoint{Origin: rep.Origin, Size: size, Root: root}
	}
	if p.against.Origin == "" {
		p.against.Origin = rep.Origin
	}
	if p.against.Note == nil { // unsigned: what it is worth says who kept its root
		p.against.Note = []byte(proof.Body(p.against.Origin, p.against.Size, p.against.Root) + "\n")
	}
	b, err := proof.Inclusion(p.seq, p.against.Size)
	if err != nil {
		return nil, err
	}
	if _, err := records(ctx, p.dir, leaves(b)); err != nil {
		return nil, err
	}
	hashes, root, err := b.Proof()
	if err != nil {
		return nil, err
	}
	if root != p.against.Root {
		return nil, fmt.Errorf("the first %d records have the root %s, the checkpoint %s: this is not the log that it is of", p.against.Size, root, p.against.Root)
	}
	return &proof.File{Record: p.line, Index: p.seq, Hashes: hashes, Checkpoint: p.against}, nil
}

// first looks for the record and for the newest checkpoint that covers it.
func (p *prover) first(e audit.Entry) error {
	if e.Seq == p.seq {
		p.line = bytes.Clone(e.Line)
	}
	if p.anchor != "" || e.Seq <= p.seq {
		return nil
	}
	text := checkpointIn(e.Line)
	if text == "" {
		return nil
	}
	c, err := proof.ParseCheckpoint([]byte(text))
	if err != nil {
		return fmt.Errorf("record %d: %w", e.Seq, err)
	}
	p.against = c
	return nil
}

// leaves gives a builder the records of a log. Where retention removed the first
// of them, the header that is left stands for them.
func leaves(b *proof.Builder) func(audit.Entry) error {
	begun := false
	return func(e audit.Entry) error {
		if !begun && e.Seq > 0 {
			var header struct{ Edge []string }
			if err := json.Unmarshal(e.Line, &header); err != nil {
				return fmt.Errorf("record %d: %w", e.Seq, err)
			}
			var edge []proof.Hash
			for _, s := range header.Edge {
				h, err := proof.ParseHash(s)
				if err != nil {
					return fmt.Errorf("record %d: %w", e.Seq, err)
				}
				edge = append(edge, h)
			}
			if err := b.Begin(e.Seq, edge); err != nil {
				return err
			}
		}
		begun = true
		return b.Leaf(proof.Hash(e.Leaf))
	}
}

// checkpointIn returns the checkpoint that a record carries.
func checkpointIn(line []byte) string {
	if !bytes.Contains(line, []byte(`"kind":"checkpoint"`)) && !bytes.Contains(line, []byte(`"kind":"segment.sealed"`)) {
		return ""
	}
	var r struct{ Kind, Note, Checkpoint string }
	if json.Unmarshal(line, &r) != nil {
		return ""
	}
	switch r.Kind {
	case "checkpoint":
		return r.Note
	case "segment.sealed":
		return r.Checkpoint
	}
	return ""
}

// records is audit.Records for a log that must hold.
func records(ctx context.Context, dir string, f func(audit.Entry) error) (*audit.Report, error) {
	rep, err := audit.Records(ctx, dir, audit.VerifyOptions{Unanchored: true}, f)
	if err != nil {
		return nil, err
	}
	if rep.Bad != nil {
		return nil, &ExitError{audit.ExitTampered, fmt.Errorf("the log does not hold, nothing is proven from it: record %d: %s", rep.Bad.Seq, rep.Bad.Problem)}
	}
	if rep.Committed == nil {
		return nil, errors.New("the log has no commit record")
	}
	return rep, nil
}

func checkProofCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check-proof FILE",
		Short: "Check a proof without the log, and print the record that it proves",
		Long: `Checks that the record in a proof is in the tree that its checkpoint names, and that
the checkpoint is genuine: signed with --key, or the one given as --anchor.

Exit codes: 0 proven; 1 the proof does not hold; 2 it holds, but nothing says that
its checkpoint is genuine; 125 it could not be read, or wrong use.`,
		Args: cobra.ExactArgs(1),
	}
	key := c.Flags().String("key", "", "the log's or a witness's public key, as signed notes have it (NAME+HASH+KEY)")
	given := c.Flags().String("anchor", "", "a file with a checkpoint from elsewhere, or SIZE:ROOT")
	c.RunE = func(c *cobra.Command, args []string) error {
		b, err := readFile(args[0])
		if err != nil {
			return err
		}
		f, err := proof.ParseFile(b)
		if err != nil {
			return err
		}
		w := c.OutOrStdout()
		if err := f.Check(); err != nil {
			_, err = fmt.Fprintf(w, "DOES NOT HOLD: record %d is not in the tree of %d records with the root %s\n", f.Index, f.Checkpoint.Size, f.Checkpoint.Root)
			return errors.Join(err, verdict(audit.ExitTampered))
		}
		why, err := genuine(f.Checkpoint, *key, *given)
		if err != nil {
			_, err = fmt.Fprintf(w, "DOES NOT HOLD: %s\n", shown(err.Error()))
			return errors.Join(err, verdict(audit.ExitTampered))
		}
		word, code := "PROVEN", 0
		if why == "" {
			word, code, why = "HOLDS, UNANCHORED", audit.ExitIncomplete, "nothing says that the checkpoint is genuine: give --key or --anchor"
		}
		_, err = fmt.Fprintf(w, "%s: record %d of %s is among its first %d records: %s\n%s\n", word, f.Index, shown(f.Checkpoint.Origin), f.Checkpoint.Size, shown(why), shown(string(f.Record)))
		return errors.Join(err, verdict(code))
	}
	return c
}

// genuine says why a checkpoint is one of the log; nothing if nobody vouches for
// it, an error if it is another one than who vouches says.
func genuine(c *proof.Checkpoint, key, anchor string) (string, error) {
	var why []string
	if key != "" {
		v, err := note.NewVerifier(key)
		if err != nil {
			return "", err
		}
		by, err := c.SignedBy(v)
		if err != nil {
			return "", err
		}
		if len(by) == 0 {
			return "", fmt.Errorf("the checkpoint is not signed by %s", v.Name())
		}
		why = append(why, "signed by "+by[0])
	}
	if anchor != "" {
		a, err := checkpoint(anchor)
		if err != nil {
			return "", err
		}
		if a.Size != c.Size || a.Root != c.Root || a.Origin != "" && a.Origin != c.Origin {
			return "", fmt.Errorf("the checkpoint (%d records, root %s) is not the anchor (%d, %s)", c.Size, c.Root, a.Size, a.Root)
		}
		why = append(why, "the same as "+anchor)
	}
	return strings.Join(why, ", "), nil
}

// shown is text as a terminal may see it.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || strconv.IsGraphic(r) && r < 0x7f || r > 0xa0 && strconv.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, s)
}
