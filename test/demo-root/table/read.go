// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// lineMax is more than the log's format allows for one line.
const lineMax = 1 << 16

// said is one line that an agent printed.
type said struct {
	Attempt string `json:"attempt"`
	Result  string `json:"result"`
	Exe     string `json:"exe"` // with "start": the agent's executable
}

// record is what the table needs of a decision in the log.
type record struct {
	Seq     uint64 `json:"seq"`
	Kind    string `json:"kind"`
	Verdict string `json:"verdict"`
	Action  string `json:"action"`
	Subject string `json:"subject"`
	Rule    string `json:"rule"`
	Errno   int    `json:"errno"`
	Process struct {
		Comm string `json:"comm"`
		Exe  string `json:"exe"`
	} `json:"process"`

	claimed bool
}

func readReport(file string) ([]said, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []said
	for line := range bytes.Lines(b) {
		var s said
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("%s: %q is not what an agent reports: %w", file, line, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// segments are the files of a log, in order.
func segments(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err == nil && len(names) == 0 {
		err = errors.New("no log in " + dir)
	}
	slices.Sort(names)
	return names, err
}

// readLog returns the decisions of a log, counted ones too, in order.
func readLog(dir string) ([]*record, error) {
	names, err := segments(dir)
	if err != nil {
		return nil, err
	}
	var all []*record
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s := bufio.NewScanner(bytes.NewReader(b))
		s.Buffer(nil, lineMax)
		for s.Scan() {
			r := &record{}
			if err := json.Unmarshal(s.Bytes(), r); err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			if r.Kind == "decision" || r.Kind == "counted" {
				all = append(all, r)
			}
		}
		if err := s.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return all, nil
}

type flipped struct {
	seq           uint64
	segment       string
	offset        int // of the changed byte in the file
	before, after string
}

// flip makes another user of the one who was denied /etc/shadow: one byte, and each line is still JSON.
func flip(dir string) (flipped, error) {
	names, err := segments(dir)
	if err != nil {
		return flipped{}, err
	}
	const uid = `"uid":`
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return flipped{}, err
		}
		offset := 0
		for line := range bytes.Lines(b) {
			var r record
			if err := json.Unmarshal(line, &r); err != nil {
				return flipped{}, fmt.Errorf("read %s: %w", name, err)
			}
			if at := bytes.LastIndex(line, []byte(uid+"0")); at >= 0 && r.Verdict == "deny" && r.Subject == "/etc/shadow" {
				at += offset + len(uid)
				f := flipped{r.Seq, filepath.Base(name), at, string(b[at-len(uid) : at+1]), ""}
				b[at] ^= 1
				f.after = string(b[at-len(uid) : at+1])
				return f, os.WriteFile(name, b, 0o600)
			}
			offset += len(line)
		}
	}
	return flipped{}, errors.New("no denied read of /etc/shadow by uid 0 in " + dir)
}
