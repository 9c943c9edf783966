// SPDX-License-Identifier: MIT

// Package export writes records of an audit log in the forms that other systems
// take. Whatever the form, each row says which record of which log it is (origin,
// sequence number, leaf hash), so that it can be proven back against the log.
package export

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// Writer takes records in the order of the log.
type Writer interface {
	Write(audit.Entry) error
	Flush() error
}

// formats are the names that New takes.
var formats = []string{"raw", "csv", "ocsf"}

// New is a writer of a format: "raw" (the exact lines), "csv" or "ocsf".
func New(format string, w io.Writer) (Writer, error) {
	out := bufio.NewWriterSize(w, 256<<10)
	switch format {
	case "raw":
		return &rawWriter{out}, nil
	case "csv":
		return newCSV(out)
	case "ocsf":
		return &ocsfWriter{out: out, enc: encoder(out)}, nil
	}
	return nil, fmt.Errorf("unknown format %q: %s", format, strings.Join(formats, ", "))
}

// rawWriter writes lines as they are. Origin and sequence number stand in them,
// and their leaf hash is SHA-256 of a zero byte and the line.
type rawWriter struct{ *bufio.Writer }

func (r *rawWriter) Write(e audit.Entry) error {
	if _, err := r.Writer.Write(e.Line); err != nil {
		return err
	}
	return r.WriteByte('\n')
}

func encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// record is what exports look at of a line.
type record struct {
	Seq    uint64 `json:"seq"`
	Time   string `json:"time"`
	Mono   int64  `json:"mono"`
	BootID string `json:"boot_id"`
	Node   struct {
		Name string `json:"name"`
		UID  string `json:"uid"`
	} `json:"node"`
	Log  string `json:"log"`
	Kind string `json:"kind"`

	Verdict    string `json:"verdict"`
	Action     string `json:"action"`
	Hook       string `json:"hook"`
	KSeq       uint64 `json:"kseq"`
	KTime      int64  `json:"ktime"`
	Count      uint64 `json:"count"`
	First      int64  `json:"first"`
	Last       int64  `json:"last"`
	Subject    string `json:"subject"`
	SubjectB64 string `json:"subject_b64"`
	Class      string `json:"class"`
	Addr       string `json:"addr"`
	Port       uint16 `json:"port"`
	Protocol   string `json:"protocol"`
	Rule       string `json:"rule"`
	RuleNumber uint32 `json:"rule_number"`
	Reason     string `json:"reason"`
	Errno      uint16 `json:"errno"`
	Disabled   bool   `json:"disabled"`
	Process    struct {
		process
		TID    uint32 `json:"tid"`
		UID    uint32 `json:"uid"`
		GID    uint32 `json:"gid"`
		Exe    string `json:"exe"`
		ExeB64 string `json:"exe_b64"`
	} `json:"process"`
	Parent   process `json:"parent"`
	CgroupID uint64  `json:"cgroup_id"`
	Pod      struct {
		UID         string `json:"uid"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		Container   string `json:"container"`
		ContainerID string `json:"container_id"`
		Image       string `json:"image"`
	} `json:"pod"`
	Policy struct {
		Name   string `json:"name"`
		Source string `json:"source"`
		Table  string `json:"table"`
	} `json:"policy"`

	Object  string `json:"object"`
	Why     string `json:"why"`
	Version string `json:"version"`
	Segment string `json:"segment"`
}

type process struct {
	PID   uint32 `json:"pid"`
	Start int64  `json:"start"`
	Comm  string `json:"comm"`
}

func parse(e audit.Entry) (*record, time.Time, error) {
	r := &record{}
	if err := json.Unmarshal(e.Line, r); err != nil {
		return nil, time.Time{}, fmt.Errorf("record %d: %w", e.Seq, err)
	}
	t, err := time.Parse(time.RFC3339Nano, r.Time)
	if err != nil {
		return nil, t, fmt.Errorf("record %d: %w", e.Seq, err)
	}
	return r, t, nil
}

// wall is the wall clock at a boottime of about the record's own.
func (r *record) wall(logged time.Time, boottime int64) time.Time {
	return logged.Add(time.Duration(boottime - r.Mono))
}
