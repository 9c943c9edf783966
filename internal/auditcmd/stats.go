package auditcmd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

func statsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "stats DIR|SEGMENT",
		Short: "Say what is in a log: kinds, verdicts, rules, executables, and the balance with the kernel",
		Long: `Verifies a log and counts its committed records.

` + exitCodes + ` An anchor is not asked for.`,
		Args: cobra.ExactArgs(1),
	}
	output := formatFlag(c)
	top := c.Flags().Int("top", 10, "how many of the rules, subjects and executables that were denied most")
	c.RunE = func(c *cobra.Command, args []string) error {
		s := stats{Denied: map[string][]named{}}
		rules, subjects, exes := tally{}, tally{}, tally{}
		rep, err := audit.Records(c.Context(), args[0], audit.VerifyOptions{Unanchored: true}, func(e audit.Entry) error {
			s.Bytes += uint64(len(e.Line)) + 1
			var r struct {
				Kind, Verdict, Rule, Subject string
				Process                      struct{ Exe string }
			}
			if json.Unmarshal(e.Line, &r) != nil || r.Kind != audit.KindDecision || r.Verdict != string(audit.Deny) && r.Verdict != string(audit.WouldDeny) {
				return nil
			}
			rules.add(r.Rule)
			subjects.add(r.Subject)
			exes.add(r.Process.Exe)
			return nil
		})
		if err != nil {
			return err
		}
		s.Path, s.Verdict, s.Origin, s.Segments, s.Records, s.Commits = rep.Path, rep.Verdict, rep.Origin, len(rep.Segments), rep.Records, rep.Commits
		s.FirstTime, s.LastTime, s.Kinds, s.Verdicts, s.Balance = rep.FirstTime, rep.LastTime, rep.Kinds, rep.Verdicts, rep.Balance
		for name, t := range map[string]tally{"rules": rules, "subjects": subjects, "executables": exes} {
			s.Denied[name] = t.most(*top)
		}
		w := c.OutOrStdout()
		if *output == "json" {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			err = e.Encode(s)
		} else {
			err = s.text(w)
		}
		if err != nil {
			return err
		}
		return verdict(rep.ExitCode())
	}
	return c
}

type stats struct {
	Path      string             `json:"path"`
	Verdict   audit.Outcome      `json:"verdict"`
	Origin    string             `json:"origin"`
	Segments  int                `json:"segments"`
	Records   uint64             `json:"records"`
	Bytes     uint64             `json:"bytes"` // of committed records
	Commits   uint64             `json:"commits"`
	FirstTime string             `json:"first_time"`
	LastTime  string             `json:"last_time"`
	Kinds     map[string]uint64  `json:"kinds"`
	Verdicts  map[string]uint64  `json:"verdicts"`
	Denied    map[string][]named `json:"denied"` // what was denied most, and what would have been
	Balance   audit.Balance      `json:"balance"`
}

func (s *stats) text(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s  %s", s.Verdict, shown(s.Path))
	p.line("log          %s", shown(s.Origin))
	p.line("time         %s to %s", shown(s.FirstTime), shown(s.LastTime))
	perCommit := float64(s.Records) / float64(max(s.Commits, 1))
	p.line("size         %d records, %d bytes, %d segments; %.1f records a commit", s.Records, s.Bytes, s.Segments, perCommit)
	if a, err := time.Parse(time.RFC3339Nano, s.FirstTime); err == nil {
		if b, err := time.Parse(time.RFC3339Nano, s.LastTime); err == nil && b.After(a) {
			p.line("rate         %.1f records a second", float64(s.Records)/b.Sub(a).Seconds())
		}
	}
	p.counts("kind", s.Kinds)
	p.counts("verdict", s.Verdicts)
	for _, what := range slices.Sorted(maps.Keys(s.Denied)) {
		for _, n := range s.Denied[what] {
			p.line("%-12s %8d  %s", "denied", n.Count, shown(what+" "+n.Name))
		}
	}
	b := &s.Balance
	p.line("balance      %d in the log, %d counted, %d declared lost, %d unexplained, %d not confirmed yet; %d loads of the programs", b.Seen, b.Counted, b.Declared, b.Unexplained, b.Open, b.Loads)
	for _, l := range b.ByLoad {
		p.line("load         %d cpus: %d in the log, %d declared lost, %d unexplained, %d open; boot %s, load %s", l.CPUs, l.Seen, l.Declared, l.Unexplained, l.Open, shown(l.BootID), shown(l.LoadID))
	}
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) counts(label string, of map[string]uint64) {
	for _, k := range slices.Sorted(maps.Keys(of)) {
		p.line("%-12s %8d  %s", label, of[k], shown(k))
	}
}

// tally counts names. There is a bound on how many: what comes later is counted
// together.
type tally map[string]uint64

const maxNames = 100_000

func (t tally) add(name string) {
	if _, ok := t[name]; !ok && len(t) >= maxNames {
		name = "(others)"
	}
	t[name]++
}

type named struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

func (t tally) most(n int) []named {
	var all []named
	for name, count := range t {
		all = append(all, named{name, count})
	}
	slices.SortFunc(all, func(a, b named) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(max(n, 0), len(all))]
}
