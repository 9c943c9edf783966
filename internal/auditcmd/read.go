package auditcmd

import (
	"bufio"
	"errors"
	"io"
	"math"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

func tailCommand(color func(io.Writer) bool) *cobra.Command {
	var o audit.TailOptions
	c := &cobra.Command{
		Use:   "tail DIR",
		Short: "Print the last records of a log",
		Args:  cobra.ExactArgs(1),
	}
	output := formatFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		o.JSON, o.Color = *output == "json", color(c.OutOrStdout())
		return audit.Tail(ctx, args[0], o, c.OutOrStdout())
	}
	c.Flags().IntVarP(&o.N, "lines", "n", 10, "records to begin with; negative: all")
	c.Flags().BoolVarP(&o.Follow, "follow", "f", false, "wait for more")
	c.Flags().BoolVarP(&o.All, "all", "a", false, "also commits, heartbeats and segment headers")
	return c
}

// span is a part of a log by sequence number.
type span struct{ from, to uint64 }

func spanFlags(c *cobra.Command) *span {
	s := &span{}
	c.Flags().Uint64Var(&s.from, "from", 0, "first sequence number")
	c.Flags().Uint64Var(&s.to, "to", math.MaxUint64, "last sequence number")
	return s
}

func (s *span) has(seq uint64) bool { return seq >= s.from && seq <= s.to }

func catCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cat DIR|SEGMENT",
		Short: "Print the records that hold and are committed, as they are in the log",
		Long: `Verifies a log and prints its committed records byte for byte, up to the first bad
one. Nothing is printed that a later record contradicts.

` + exitCodes + ` An anchor is not asked for.`,
		Args: cobra.ExactArgs(1),
	}
	part, given := spanFlags(c), anchorFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		a, err := anchors(*given)
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(c.OutOrStdout(), 256<<10)
		rep, err := audit.Records(c.Context(), args[0], audit.VerifyOptions{Anchors: a, Unanchored: true}, func(e audit.Entry) error {
			if !part.has(e.Seq) {
				return nil
			}
			_, err := w.Write(e.Line)
			return errors.Join(err, w.WriteByte('\n'))
		})
		if err = errors.Join(err, w.Flush()); err != nil {
			return err
		}
		return verdict(rep.ExitCode())
	}
	return c
}
