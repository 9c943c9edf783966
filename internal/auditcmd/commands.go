// Package auditcmd is the commands about audit logs: `node-agent audit ...`, and
// audit-verify, which is the same for whoever has only the log. It needs no BPF
// and no Kubernetes.
package auditcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/audit/proof"
	"github.com/authensor/safeclaw-node-agent/pkg/audit/ship"
)

// ExitError ends the program with a code. Without an error nothing is printed.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// exitFailed: there is no verdict, since the log could not be read or the command
// was used in a wrong way. No verdict has this code.
const exitFailed = 125

const exitCodes = `Exit codes: 0 proven; 1 tampered with; 2 incomplete (bytes after the last
commit, as a crash leaves them) or unanchored; 3 decisions are missing that were
never declared lost; 125 no verdict: it could not be read, or wrong use.`

// Commands returns the commands. color says whether what is written to w may be
// coloured.
func Commands(color func(w io.Writer) bool) []*cobra.Command {
	all := []*cobra.Command{
		verifyCommand(color), tailCommand(color), catCommand(), exportCommand(), statsCommand(), proveCommand(), checkProofCommand(), consistencyCommand(),
	}
	for _, c := range all {
		run, args := c.RunE, c.Args
		c.RunE = func(c *cobra.Command, args []string) error { return failed(run(c, args)) }
		c.Args = func(c *cobra.Command, a []string) error { return failed(args(c, a)) }
		c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return failed(err) })
	}
	return all
}

// failed gives an error that says nothing of its own exit code the one for
// "no verdict", since those of verdicts are small numbers.
func failed(err error) error {
	var e *ExitError
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &ExitError{exitFailed, err}
}

func verdict(code int) error {
	if code == 0 {
		return nil
	}
	return &ExitError{Code: code}
}

// format is the value of -o.
type format string

func formatFlag(c *cobra.Command) *format {
	f := format("text")
	c.Flags().VarP(&f, "output", "o", "text or json")
	return &f
}

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "format" }

func (f *format) Set(s string) error {
	if s != "text" && s != "json" {
		return errors.New("it is text or json")
	}
	*f = format(s)
	return nil
}

// anchorFlag gives a command --anchor.
func anchorFlag(c *cobra.Command) *[]string {
	return c.Flags().StringArray("anchor", nil, "what the log was, from elsewhere: a file with a checkpoint or many (the last one counts), or SIZE:ROOT")
}

// anchors reads what --anchor says.
func anchors(given []string) ([]audit.Anchor, error) {
	var out []audit.Anchor
	for _, s := range given {
		c, err := checkpoint(s)
		if err != nil {
			return nil, fmt.Errorf("anchor %s: %w", s, err)
		}
		out = append(out, audit.Anchor{Origin: c.Origin, Size: c.Size, Root: audit.Hash(c.Root), Source: s})
	}
	return out, nil
}

// checkpoint reads a file with a checkpoint, or SIZE:ROOT, which has no origin.
func checkpoint(s string) (*proof.Checkpoint, error) {
	var size uint64
	if before, root, ok := strings.Cut(s, ":"); ok && before != "" && strings.Trim(before, "0123456789") == "" {
		if _, err := fmt.Sscan(before, &size); err != nil {
			return nil, err
		}
		h, err := proof.ParseHash(root)
		return &proof.Checkpoint{Size: size, Root: h}, err
	}
	f, err := os.Open(s)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := ship.Last(f)
	if err != nil {
		return nil, err
	}
	if b == nil { // not signed: its worth is that of where it is from
		if b, err = readFile(s); err != nil {
			return nil, err
		}
	}
	return proof.ParseCheckpoint(b)
}

// readFile reads a file that somebody else made, up to a bound.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 1 << 20
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(b) > most {
		err = errors.New("it is too long")
	}
	return b, err
}

// birthKey is a public key, or what a file says that has it on its first line.
func birthKey(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if _, err := note.NewVerifier(s); err == nil {
		return s, nil
	}
	b, err := readFile(s)
	if err != nil {
		return "", fmt.Errorf("key: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if _, err := note.NewVerifier(line); err != nil {
		return "", fmt.Errorf("key %s: %w", s, err)
	}
	return line, nil
}
