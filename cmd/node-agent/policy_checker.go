package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/dialect"
)

// checker checks files and directories.
type checker struct {
	stdin       io.Reader
	floor       *policy.Policy
	relaxations []string // that the operator allows
	results     []checkResult
}

func (k *checker) run(c *cobra.Command, args []string, output *outputFormat) error {
	for _, name := range args {
		if err := k.argument(name); err != nil {
			return err
		}
	}
	err := output.print(c.OutOrStdout(), k.results, func(w *textWriter) {
		for _, r := range k.results {
			r.print(w)
		}
	})
	if err != nil {
		return &exitError{exitInternal, err}
	}
	policies := 0
	for _, r := range k.results {
		if !r.OK {
			return &exitError{code: exitUsage}
		}
		if r.Skipped == "" {
			policies++
		}
	}
	if policies == 0 {
		return errors.New("no policy found")
	}
	return nil
}

// checkFloor finds out whether the floor, which was read, can be used: the tables
// must have room for it in front of a policy.
func (k *checker) checkFloor(file string) {
	r := checkResult{File: file, Name: "floor", OK: true, Rules: len(k.floor.Rules)}
	t, err := policy.DenyAll(k.floor, policy.Options{})
	if err != nil {
		r.OK = false
		r.fail(err)
	} else {
		r.tables(t)
		r.Source, r.Capped = fmt.Sprintf("%x", sha256.Sum256(k.floor.Source)), nil // and not those of the policy behind it
	}
	k.results = append(k.results, r)
}

func (k *checker) argument(name string) error {
	files := []string{name}
	if isDir(name) {
		var err error
		if files, err = manifestFiles(name); err != nil {
			return err
		}
	}
	for _, file := range files {
		src, err := readInput(file, k.stdin)
		if err != nil {
			return err
		}
		k.file(file, src, file == name)
	}
	return nil
}

// file checks all policies of a file. One that the user named is a policy even
// where nothing in it looks like one.
func (k *checker) file(file string, src []byte, named bool) {
	docs, broken := policy.ParseAll(file, src)
	if named && len(docs) <= 1 && (broken != nil || len(docs) == 0 || docs[0].Other != "") {
		p, err := policy.Parse(file, src)
		docs, broken = []policy.Document{{Policy: p, Err: err}}, nil
	}
	for _, d := range docs {
		r := checkResult{File: file, Name: d.Name, OK: true, Skipped: d.Other}
		if d.Other == "" {
			k.policy(&r, d)
		}
		if !r.OK && len(docs) == 1 && importable(file, src) {
			r.Hint = "another dialect: node-agent policy import reads it"
		}
		k.results = append(k.results, r)
	}
	if broken != nil {
		r := checkResult{File: file}
		r.fail(broken)
		k.results = append(k.results, r)
	}
}

// importable reports whether a policy with errors is a good one of another dialect.
func importable(file string, src []byte) bool {
	res, err := dialect.Import(file, src, dialect.Options{Now: time.Now()})
	return err == nil && res.YAML != nil && len(res.Notes) > 0
}

func (k *checker) policy(r *checkResult, d policy.Document) {
	err := d.Err
	var t *policy.Tables
	if err == nil {
		t, err = policy.Compile(d.Policy, policy.Options{Floor: k.floor, AllowedRelaxations: k.relaxations})
	}
	if err != nil {
		r.OK = false
		r.fail(err)
		return
	}
	r.Rules = len(d.Policy.Rules)
	r.tables(t)
}

func (r *checkResult) tables(t *policy.Tables) {
	r.Baseline, r.TableSize, r.Capped = t.Baseline, len(t.Blob), t.Capped
	r.Source, r.Table = hex.EncodeToString(t.SourceHash[:]), hex.EncodeToString(t.Hash[:])
}
