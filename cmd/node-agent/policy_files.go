package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// readInput reads a file, or standard input where the name is "-". What is
// larger than any file of policies is cut, and then refused as too large.
func readInput(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(stdin, policy.MaxManifestBytes+1))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, policy.MaxManifestBytes+1))
}

// readPolicy reads one policy. An error in it is an ErrorList, with exit code 2.
func readPolicy(name string, stdin io.Reader) (*policy.Policy, error) {
	src, err := readInput(name, stdin)
	if err != nil {
		return nil, err
	}
	return policy.Parse(name, src)
}

// readFloor reads a floor, if one is named.
func readFloor(name string, stdin io.Reader) (*policy.Policy, error) {
	if name == "" {
		return nil, nil
	}
	src, err := readInput(name, stdin)
	if err != nil {
		return nil, err
	}
	return policy.ParseFloor(name, src)
}

// manifestFiles lists the YAML files of a directory and below it, without
// hidden ones, such as .git and the inside of a mounted ConfigMap.
func manifestFiles(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir() || filepath.Ext(name) != ".yaml" && filepath.Ext(name) != ".yml":
			return nil
		}
		info, err := os.Stat(name) // a link to a file counts
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			out = append(out, name)
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s: no *.yaml or *.yml file in it", dir)
	}
	return out, err
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
