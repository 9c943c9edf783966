// SPDX-License-Identifier: MIT

package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// row is what [Tail] prints of a record.
type row struct {
	Seq     uint64 `json:"seq"`
	Time    string `json:"time"`
	Kind    string `json:"kind"`
	Verdict string `json:"verdict"`
	Action  string `json:"action"`
	Subject string `json:"subject"`
	Rule    string `json:"rule"`
	Reason  string `json:"reason"`
	Errno   uint16 `json:"errno"`
	Off     bool   `json:"disabled"`
	Count   uint64 `json:"count"`
	Counted uint64 `json:"counted"`
	Process struct {
		PID  uint32 `json:"pid"`
		Comm string `json:"comm"`
		Exe  string `json:"exe"`
	} `json:"process"`
	Policy struct {
		Name  string `json:"name"`
		Table string `json:"table"`
	} `json:"policy"`

	Object   string `json:"object"`
	ObjectID uint64 `json:"object_id"`
	Why      string `json:"why"`
	Hook     string `json:"hook"`
	Held     uint64 `json:"held"`

	Mode      string      `json:"mode"`
	Version   string      `json:"version"`
	Kernel    string      `json:"kernel"`
	Adopted   bool        `json:"adopted"`
	Segment   string      `json:"segment"`
	Size      uint64      `json:"size"`
	Root      string      `json:"root"`
	CPU       uint32      `json:"cpu"`
	Ranges    [][2]uint64 `json:"ranges"`
	CPUs      []any       `json:"cpus"`
	Discarded uint64      `json:"discarded"`
	File      string      `json:"file"`
	Scope     string      `json:"scope"`
	Cgroup    uint64      `json:"cgroup_id"`
	At        uint64      `json:"at"`
	Until     uint64      `json:"until"`
	By        *by         `json:"by"`
	Base      uint64      `json:"base"`
	UpTo      uint64      `json:"upto"`
	Anchor    string      `json:"anchor"`
	Step      int64       `json:"step"`
}

// by is who used the off switch.
type by struct {
	UID  uint32 `json:"uid"`
	PID  uint32 `json:"pid"`
	Comm string `json:"comm"`
}

// quiet has the kinds that Tail leaves out unless asked for all.
func (r *row) quiet() bool {
	switch r.Kind {
	case KindCommit, KindHeartbeat, KindSegmentHeader, KindSegmentSealed, KindAccount, KindLogBirth, KindKeyRotated, KindCheckpoint, KindShipAcked:
		return true
	}
	return false
}

const rowFormat = "%-12s  %s  %-16s  %-40s  %-24s  %-16s  %s\n"

func rowHeader(p paint) string {
	return p.text(faint, strings.TrimRight(fmt.Sprintf(rowFormat, "TIME", fmt.Sprintf("%-12s", "VERDICT"), "ACTION", "SUBJECT", "EXE", "RULE", "REASON"), "\n")) + "\n"
}

// parseRow reads a line of a log; a line that is none becomes a row that says so.
func parseRow(line []byte) row {
	var r row
	if err := json.Unmarshal(line, &r); err != nil || r.Kind == "" {
		return row{Kind: "unreadable", Reason: string(line)}
	}
	return r
}

func (r *row) text(p paint) string {
	clock := r.Time
	if _, after, ok := strings.Cut(r.Time, "T"); ok && len(after) >= 12 {
		clock = after[:12]
	}
	verdict, color := r.Verdict, ""
	switch Verdict(r.Verdict) {
	case Deny:
		color = red
	case WouldDeny:
		color = yellow
	case Allow, Audit:
		color = green
	}
	if r.Errno != 0 {
		verdict += " " + errnoName(r.Errno)
	}
	if r.Off {
		verdict += " (off)"
	}
	exe := r.Process.Exe
	if exe == "" {
		exe = r.Process.Comm
	}
	if r.Process.PID != 0 {
		exe = fmt.Sprintf("%s[%d]", exe, r.Process.PID)
	}
	switch r.Kind {
	case KindDecision:
		return fmt.Sprintf(rowFormat, safe(clock), p.text(color, fmt.Sprintf("%-12s", safe(verdict))), safe(r.Action), safe(r.Subject), safe(exe), safe(r.Rule), safe(r.Reason))
	case KindGuardDenied, KindGuardAllowed:
		why := r.Why
		if r.Held > 0 {
			why = strings.TrimSpace(fmt.Sprintf("%s; %d more before", why, r.Held))
		}
		return fmt.Sprintf(rowFormat, safe(clock), p.text(color, fmt.Sprintf("%-12s", safe(verdict))), safe(r.Kind), safe(fmt.Sprintf("%s %s (%d)", r.Object, r.Subject, r.ObjectID)), safe(exe), safe(r.Hook), safe(why))
	case KindCounted:
		return fmt.Sprintf(rowFormat, safe(clock), p.text(color, fmt.Sprintf("%-12s", safe(verdict))), safe(r.Action), safe(r.Subject), safe(exe), safe(r.Rule), fmt.Sprintf("%d times", r.Count))
	}
	return p.text(faint, fmt.Sprintf("%-12s  %s  %s", safe(clock), safe(r.Kind), safe(r.details()))) + "\n"
}

func (r *row) details() string {
	switch r.Kind {
	case KindAgentStart:
		how := ""
		if r.Adopted {
			how = ", adopted what enforced already"
		}
		return fmt.Sprintf("version %s on kernel %s%s", r.Version, r.Kernel, how)
	case KindPolicyApplied:
		return fmt.Sprintf("%s, mode %s, table %.16s", r.Policy.Name, r.Mode, r.Policy.Table)
	case KindPolicyRemoved:
		return fmt.Sprintf("%s %s", r.Policy.Name, r.Reason)
	case KindPodClaimed, KindPodReleased:
		return fmt.Sprintf("%s by %s", r.Subject, r.Policy.Name)
	case KindLoss:
		n := r.Count + r.Counted
		for _, v := range r.Ranges {
			n += v[1] - v[0] + 1
		}
		return fmt.Sprintf("%d decisions on cpu %d: %s", n, r.CPU, r.Reason)
	case KindDisabled, KindEnabled:
		return r.offSwitch()
	case KindGuardHeld:
		return fmt.Sprintf("%d touches of the agent's own objects on cpu %d were counted only", r.Count, r.CPU)
	case KindHeartbeat:
		return fmt.Sprintf("%d cpus", len(r.CPUs))
	case KindCommit:
		return fmt.Sprintf("%d records, root %.16s", r.Size, r.Root)
	case KindSegmentHeader:
		return r.Segment
	case KindSegmentSealed:
		return fmt.Sprintf("%s for its %s, %d records, root %.16s", r.Segment, r.Reason, r.Size, r.Root)
	case KindSegmentRemoved:
		return fmt.Sprintf("%s: records %d to %d, for %s", r.Segment, r.Base, max(r.UpTo, 1)-1, r.Reason)
	case KindCheckpoint:
		return fmt.Sprintf("%d records signed for", r.Seq)
	case KindShipAcked:
		return fmt.Sprintf("%s has %d records", r.Anchor, r.Size)
	case KindShipLagging:
		return fmt.Sprintf("%s has %d records: %s", r.Anchor, r.Size, r.Reason)
	case KindClockStep:
		return fmt.Sprintf("the clock was moved by %v", time.Duration(r.Step))
	case KindPolicyRejected:
		return fmt.Sprintf("%s: %s", r.Policy.Name, r.Reason)
	case KindRecovery:
		return fmt.Sprintf("%d bytes set aside as %s: %s", r.Discarded, r.File, r.Reason)
	}
	return r.Reason
}

// offSwitch says what is on or off, for how long, why and by whom.
func (r *row) offSwitch() string {
	what := "the node"
	if r.Scope != "node" {
		what = fmt.Sprintf("cgroup %d", r.Cgroup)
	}
	if r.Until > r.At {
		what += fmt.Sprintf(" for %v", time.Duration(r.Until-r.At).Round(time.Second))
	}
	if r.By != nil {
		what += fmt.Sprintf(" by %s[%d] uid %d", r.By.Comm, r.By.PID, r.By.UID)
	}
	return what + ": " + r.Reason
}

// errnoName names the errors that a denied program can see; the numbers are
// Linux's, wherever the log is read.
func errnoName(n uint16) string {
	switch n {
	case 1:
		return "EPERM"
	case 2:
		return "ENOENT"
	case 13:
		return "EACCES"
	case 111:
		return "ECONNREFUSED"
	}
	return fmt.Sprintf("errno %d", n)
}
