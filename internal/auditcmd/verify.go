package auditcmd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/audit/safeclaw"
)

func verifyCommand(color func(io.Writer) bool) *cobra.Command {
	var kind string
	var unanchored bool
	c := &cobra.Command{
		Use:   "verify DIR|SEGMENT",
		Short: "Verify a log and say what that proves, and against what",
		Long: `Verifies every record of a log and names the first bad one. What a log was is
proven by an anchor: a checkpoint that left the node (--anchor FILE), or a number of
records and their root that somebody wrote down (--anchor SIZE:ROOT). Whose log it is
says its birth key (--key).

` + exitCodes,
		Args: cobra.ExactArgs(1),
	}
	output, given := formatFlag(c), anchorFlag(c)
	c.Flags().StringVar(&kind, "format", "node-agent", "node-agent, or safeclaw: the JSON lines that SafeClaw itself writes (anchor: LINES:SHA256 of the last)")
	key := c.Flags().String("key", "", "the log's birth key as it was registered (NAME+HASH+KEY), or a file with it")
	c.Flags().BoolVar(&unanchored, "unanchored", false, "there is no anchor: exit with 0 for a log that holds without one")
	c.RunE = func(c *cobra.Command, args []string) error {
		w := c.OutOrStdout()
		switch kind {
		case "safeclaw":
			return verifySafeClaw(c, args[0], *given, unanchored, *output == "json")
		case "node-agent":
		default:
			return fmt.Errorf("unknown format %q: node-agent or safeclaw", kind)
		}
		a, err := anchors(*given)
		if err != nil {
			return err
		}
		k, err := birthKey(*key)
		if err != nil {
			return err
		}
		rep, err := audit.Verify(c.Context(), args[0], audit.VerifyOptions{Anchors: a, Key: k, Unanchored: unanchored})
		if err != nil {
			return err
		}
		if *output == "json" {
			err = rep.JSON(w)
		} else {
			err = rep.WriteText(w, color(w))
		}
		if err != nil {
			return err
		}
		return verdict(rep.ExitCode())
	}
	return c
}

func verifySafeClaw(c *cobra.Command, path string, given []string, unanchored, asJSON bool) error {
	var anchor *safeclaw.Anchor
	switch len(given) {
	case 0:
	case 1:
		cp, err := checkpoint(given[0])
		if err != nil {
			return fmt.Errorf("anchor %s: %w", given[0], err)
		}
		anchor = &safeclaw.Anchor{Lines: cp.Size, Hash: cp.Root.String()}
	default:
		return fmt.Errorf("one anchor, not %d", len(given))
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	rep, err := safeclaw.Verify(c.Context(), f, path, anchor)
	if err != nil {
		return err
	}
	w := c.OutOrStdout()
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		err = e.Encode(rep)
	} else {
		_, err = fmt.Fprintf(w, "%s  %s\n", rep.Verdict, strconv.Quote(path))
		for _, s := range rep.Statement {
			if err == nil {
				_, err = fmt.Fprintf(w, "- %s\n", s)
			}
		}
	}
	if err != nil {
		return err
	}
	if unanchored && rep.Verdict == safeclaw.Unanchored {
		return nil
	}
	return verdict(rep.ExitCode())
}
