package policy

import (
	"fmt"
	"regexp"
	"strings"
)

// BaselineInfo says what a baseline is for.
type BaselineInfo struct {
	Name    string
	Version string // of the file, from its first line
	Purpose string // the first sentence of the file
	Rules   int    // those of the baseline that it extends included
}

var baselineHead = regexp.MustCompile(`^Baseline "([a-z]+)", version ([0-9.]+): (.*?[^.])(\. |\.$)`)

// Baselines describes the embedded baselines, the widest first.
func Baselines() ([]BaselineInfo, error) {
	var out []BaselineInfo
	for _, name := range []string{"image", "runtime", "none"} {
		src, _ := BaselineSource(name)
		set, err := baselineRules(name)
		if err != nil {
			return nil, err
		}
		var comment []string
		for line := range strings.Lines(string(src)) {
			text, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
			if !ok {
				break
			}
			comment = append(comment, strings.TrimSpace(text))
		}
		m := baselineHead.FindStringSubmatch(strings.Join(comment, " "))
		if m == nil || m[1] != name {
			return nil, fmt.Errorf("baseline %q does not begin with its name, version and purpose", name)
		}
		out = append(out, BaselineInfo{Name: name, Version: m[2], Purpose: m[3], Rules: len(set.rules)})
	}
	return out, nil
}
