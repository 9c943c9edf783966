package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ReadConfig reads how a container starts from the configuration of an OCI
// image, or from the config.json of an OCI bundle.
func ReadConfig(src []byte) (Command, error) {
	var doc struct {
		Config struct {
			Entrypoint, Cmd, Env []string
			WorkingDir           string
		} `json:"config"`
		Process struct {
			Args, Env []string
			Cwd       string
		} `json:"process"`
	}
	if err := json.Unmarshal(src, &doc); err != nil {
		return Command{}, fmt.Errorf("read image configuration: %w", err)
	}
	c := Command{Args: append(doc.Config.Entrypoint, doc.Config.Cmd...), Dir: doc.Config.WorkingDir}
	env := doc.Config.Env
	if len(doc.Process.Args) > 0 {
		c, env = Command{Args: doc.Process.Args, Dir: doc.Process.Cwd}, doc.Process.Env
	}
	if len(c.Args) == 0 {
		return c, errors.New("read image configuration: neither config.Entrypoint and config.Cmd nor process.args")
	}
	for _, e := range env {
		if p, ok := strings.CutPrefix(e, "PATH="); ok {
			c.Path = p
		}
	}
	return c, nil
}

// Words splits a command line at spaces outside of quotes.
func Words(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	inside := false
	var quote rune
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inside = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if inside {
				out = append(out, word.String())
			}
			word.Reset()
			inside = false
		default:
			inside = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a %c without its end in %q", quote, line)
	}
	if inside {
		out = append(out, word.String())
	}
	return out, nil
}
