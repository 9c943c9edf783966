package auditcmd

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/audit/export"
)

func exportCommand() *cobra.Command {
	var kinds, namespaces []string
	c := &cobra.Command{
		Use:   "export DIR|SEGMENT",
		Short: "Write committed records as raw lines, CSV or OCSF events",
		Long: `Verifies a log and writes its committed records in a form that other systems take.
Each row has the log's origin, the record's sequence number and its leaf hash, so that
"prove" can prove it back. Nothing is written that a later record contradicts; the exit
code says whether the log held.

` + exitCodes + ` An anchor is not asked for.`,
		Args: cobra.ExactArgs(1),
	}
	kind := c.Flags().StringP("format", "f", "ocsf", "raw, csv or ocsf (1.5.0, JSON lines)")
	part, given := spanFlags(c), anchorFlag(c)
	c.Flags().StringSliceVar(&kinds, "kind", nil, "only records of these kinds")
	c.Flags().StringSliceVar(&namespaces, "namespace", nil, "only records about pods of these namespaces")
	c.RunE = func(c *cobra.Command, args []string) error {
		a, err := anchors(*given)
		if err != nil {
			return err
		}
		w, err := export.New(*kind, c.OutOrStdout())
		if err != nil {
			return err
		}
		wanted := chosen(kinds, namespaces)
		rep, err := audit.Records(c.Context(), args[0], audit.VerifyOptions{Anchors: a, Unanchored: true}, func(e audit.Entry) error {
			if !part.has(e.Seq) || !wanted(e.Line) {
				return nil
			}
			return w.Write(e)
		})
		if err = errors.Join(err, w.Flush()); err != nil {
			return err
		}
		return verdict(rep.ExitCode())
	}
	return c
}

// chosen says whether a record is of one of the kinds and about one of the
// namespaces; without any, all are.
func chosen(kinds, namespaces []string) func(line []byte) bool {
	return func(line []byte) bool {
		if kinds == nil && namespaces == nil {
			return true
		}
		var r struct {
			Kind string
			Pod  struct{ Namespace string }
		}
		return json.Unmarshal(line, &r) == nil && (kinds == nil || slices.Contains(kinds, r.Kind)) && (namespaces == nil || slices.Contains(namespaces, r.Pod.Namespace))
	}
}
