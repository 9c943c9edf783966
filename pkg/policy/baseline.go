package policy

import (
	"embed"
	"fmt"
	"slices"
	"sync"
)

//go:embed baseline/*.yaml
var baselineFiles embed.FS

// BaselineSource returns the text of an embedded baseline: "image", "runtime"
// or "none". The rules of image stand before those of runtime.
func BaselineSource(name string) ([]byte, bool) {
	src, err := baselineFiles.ReadFile("baseline/" + name + ".yaml")
	return src, err == nil
}

// SensitiveNames returns the globs of what the baseline "image" keeps from
// being read.
func SensitiveNames() []string {
	base, err := baselineRules("image")
	if err != nil {
		return nil // the embedded files are tested
	}
	var out []string
	for _, r := range base.rules {
		out = append(out, r.exceptText...)
	}
	return out
}

// baselineRules returns the rules of a baseline, those of the baseline that it
// extends last, and its launchers.
func baselineRules(name string) (*baselineSet, error) {
	load, ok := baselines[name]
	if !ok {
		return nil, fmt.Errorf("unknown baseline %q", name)
	}
	return load()
}

type baselineSet struct {
	rules     []Rule
	launchers []pathPattern
}

var baselines = map[string]func() (*baselineSet, error){
	"image":   sync.OnceValues(func() (*baselineSet, error) { return loadBaseline("image") }),
	"runtime": sync.OnceValues(func() (*baselineSet, error) { return loadBaseline("runtime") }),
	"none":    sync.OnceValues(func() (*baselineSet, error) { return loadBaseline("none") }),
}

func loadBaseline(name string) (*baselineSet, error) {
	src, ok := BaselineSource(name)
	if !ok {
		return nil, fmt.Errorf("unknown baseline %q", name)
	}
	pol, err := Parse("baseline/"+name+".yaml", src, asBaseline)
	if err != nil {
		return nil, err
	}
	set := baselineSet{rules: pol.Rules, launchers: pol.launchers}
	if pol.extends != "" {
		base, err := loadBaseline(pol.extends)
		if err != nil {
			return nil, err
		}
		for _, r := range base.rules {
			r.rootOnly = r.rootOnly || slices.Contains(pol.onRootOnly, r.ID)
			set.rules = append(set.rules, r)
		}
		set.launchers = append(set.launchers, base.launchers...)
	}
	return &set, nil
}
