// SPDX-License-Identifier: MIT

package export

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// columns of the CSV, normative: new ones are added before the last. The last is
// the exact line, from which the leaf hash follows.
var columns = []string{
	"origin", "seq", "leaf_hash", "time", "node", "boot_id", "kind", "verdict", "action", "hook", "subject", "subject_b64", "class",
	"addr", "port", "protocol", "count", "rule", "reason", "errno", "disabled", "pid", "start", "uid", "gid", "comm", "exe", "exe_b64",
	"parent_pid", "parent_comm", "cgroup_id", "pod_namespace", "pod_name", "pod_uid", "container", "container_id", "image",
	"policy", "policy_table", "record",
}

type csvWriter struct {
	w   *csv.Writer
	row []string
}

func newCSV(out io.Writer) (*csvWriter, error) {
	c := &csvWriter{w: csv.NewWriter(out)}
	return c, c.w.Write(columns)
}

func (c *csvWriter) Write(e audit.Entry) error {
	r, _, err := parse(e)
	if err != nil {
		return err
	}
	p := &r.Process
	c.row = append(c.row[:0],
		cell(r.Log), number(e.Seq), e.Leaf.String(), r.Time, cell(r.Node.Name), r.BootID, r.Kind, r.Verdict, r.Action, r.Hook, cell(r.Subject), r.SubjectB64, r.Class,
		cell(r.Addr), optional(r.Port), cell(r.Protocol), optional(r.Count), cell(r.Rule), cell(r.Reason), optional(r.Errno), "", "", "", "", "", cell(p.Comm), cell(p.Exe), p.ExeB64,
		optional(r.Parent.PID), cell(r.Parent.Comm), optional(r.CgroupID), cell(r.Pod.Namespace), cell(r.Pod.Name), cell(r.Pod.UID), cell(r.Pod.Container), cell(r.Pod.ContainerID), cell(r.Pod.Image),
		cell(r.Policy.Name), r.Policy.Table, string(e.Line))
	const disabled, pid, start, uid, gid = 20, 21, 22, 23, 24
	if r.Disabled {
		c.row[disabled] = "true"
	}
	if p.PID != 0 { // user 0 is one
		c.row[pid], c.row[start] = number(p.PID), strconv.FormatInt(p.Start, 10)
		c.row[uid], c.row[gid] = number(p.UID), number(p.GID)
	}
	return c.w.Write(c.row)
}

func (c *csvWriter) Flush() error {
	c.w.Flush()
	return c.w.Error()
}

func number[T uint16 | uint32 | uint64](n T) string { return strconv.FormatUint(uint64(n), 10) }

// optional is number, and nothing for zero.
func optional[T uint16 | uint32 | uint64](n T) string {
	if n == 0 {
		return ""
	}
	return number(n)
}

// cell keeps what a program named its files from being a formula where somebody
// opens the table: a quote goes before what begins like one. The record has the
// exact text.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
