package auditcmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/audit/proof"
)

func consistencyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "consistency OLD NEW",
		Short: "Say whether two checkpoints are of one log: that NEW only added to OLD",
		Long: `OLD and NEW are files with checkpoints, or SIZE:ROOT. The hashes that prove it come
from the log (--log DIR), or from what "consistency -o json" printed before (--proof
FILE), so that it can be checked without the log.

Exit codes: 0 NEW is OLD with records added; 1 it is not; 125 it could not be told.`,
		Args: cobra.ExactArgs(2),
	}
	output := formatFlag(c)
	log := c.Flags().String("log", "", "directory of the log")
	made := c.Flags().String("proof", "", "a proof made before")
	c.RunE = func(c *cobra.Command, args []string) error {
		if (*log == "") == (*made == "") {
			return errors.New("give the log (--log DIR) or a proof made before (--proof FILE)")
		}
		r := consistency{}
		for i, s := range args {
			cp, err := checkpoint(s)
			if err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			*[]*tree{&r.Old, &r.New}[i] = tree{cp.Origin, cp.Size, cp.Root.String(), cp}
		}
		if a, b := r.Old.Origin, r.New.Origin; a != "" && b != "" && a != b {
			r.Problem = "they are of two logs"
			return r.print(c.OutOrStdout(), *output)
		}
		if r.Old.Size > r.New.Size {
			return errors.New("the first checkpoint is of more records than the second")
		}
		var hashes []proof.Hash
		var err error
		if *log != "" {
			hashes, err = fromLog(c, *log, &r)
		} else {
			hashes, err = fromFile(*made)
		}
		if err != nil {
			return err
		}
		if err := proof.CheckConsistency(r.Old.Size, r.New.Size, hashes, r.Old.cp.Root, r.New.cp.Root); err != nil {
			r.Problem = err.Error()
		} else {
			r.Consistent = true
		}
		for _, h := range hashes {
			r.Proof = append(r.Proof, h.String())
		}
		return r.print(c.OutOrStdout(), *output)
	}
	return c
}

type tree struct {
	Origin string            `json:"origin,omitempty"`
	Size   uint64            `json:"size"`
	Root   string            `json:"root"`
	cp     *proof.Checkpoint // as given
}

type consistency struct {
	Consistent bool     `json:"consistent"`
	Problem    string   `json:"problem,omitempty"`
	Old        tree     `json:"old"`
	New        tree     `json:"new"`
	Proof      []string `json:"proof"`
}

func (r *consistency) print(w io.Writer, f format) error {
	var err error
	if f == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else if r.Consistent {
		_, err = fmt.Fprintf(w, "CONSISTENT: the first %d of the %d records are those of the first checkpoint (%d hashes)\n", r.Old.Size, r.New.Size, len(r.Proof))
	} else {
		_, err = fmt.Fprintf(w, "NOT CONSISTENT: %s\n", shown(r.Problem))
	}
	if err == nil && !r.Consistent {
		err = verdict(audit.ExitTampered)
	}
	return err
}

// fromLog makes the proof of a log that holds.
func fromLog(c *cobra.Command, dir string, r *consistency) ([]proof.Hash, error) {
	if r.Old.Size == 0 {
		return nil, nil
	}
	b, err := proof.Consistency(r.Old.Size, r.New.Size)
	if err != nil {
		return nil, err
	}
	if _, err := records(c.Context(), dir, leaves(b)); err != nil {
		return nil, err
	}
	hashes, _, err := b.Proof()
	return hashes, err
}

func fromFile(name string) ([]proof.Hash, error) {
	b, err := readFile(name)
	if err != nil {
		return nil, err
	}
	var made consistency
	if err := json.Unmarshal(b, &made); err != nil {
		return nil, err
	}
	var hashes []proof.Hash
	for _, s := range made.Proof {
		h, err := proof.ParseHash(s)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}
