// SPDX-License-Identifier: MIT

package export

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// ocsfWriter writes one OCSF event per record and line. Decisions about files,
// programs and the network are activities of these; decisions without a verb are
// kernel activity; what the log says of itself is event log activity.
type ocsfWriter struct {
	out *bufio.Writer
	enc *json.Encoder
}

func (o *ocsfWriter) Flush() error { return o.out.Flush() }

func (o *ocsfWriter) Write(e audit.Entry) error {
	r, logged, err := parse(e)
	if err != nil {
		return err
	}
	return o.enc.Encode(ocsf(e, r, logged))
}

// class is an OCSF event class.
type class struct {
	category     int
	categoryName string
	uid          int
	name         string
}

var (
	fileActivity     = class{1, "System Activity", 1001, "File System Activity"}
	kernelActivity   = class{1, "System Activity", 1003, "Kernel Activity"}
	processActivity  = class{1, "System Activity", 1007, "Process Activity"}
	eventLogActivity = class{1, "System Activity", 1008, "Event Log Activity"}
	networkActivity  = class{4, "Network Activity", 4001, "Network Activity"}
)

const other = 99

func ocsf(e audit.Entry, r *record, logged time.Time) *event {
	ev := &event{
		Time: logged.UnixMilli(), RawData: string(e.Line), RawDataSize: len(e.Line),
		Metadata: metadata{
			Version: ocsfVersion, UID: fmt.Sprintf("%s/%d", r.Log, e.Seq), Sequence: e.Seq, EventCode: r.Kind, LogName: r.Log, LogProvider: "SafeClaw node agent",
			LoggedTime: logged.UnixMilli(), OriginalTime: r.Time, Profiles: []string{"host", "security_control", "container"},
			Product: product{"SafeClaw node agent", "Authensor"},
		},
		Device: device{Hostname: r.Node.Name, UID: r.Node.UID, BootUID: r.BootID},
		Unmapped: &unmapped{
			Origin: r.Log, Seq: e.Seq, LeafHash: e.Leaf.String(), Kind: r.Kind, Verdict: r.Verdict, SubjectB64: r.SubjectB64, ExeB64: r.Process.ExeB64,
			Class: r.Class, Hook: r.Hook, Rule: r.Rule, RuleNumber: r.RuleNumber, CgroupID: r.CgroupID, Namespace: r.Pod.Namespace, Pod: r.Pod.Name,
		},
	}
	if ev.Device.UID == "" {
		ev.Device.UID = r.Node.Name
	}
	switch r.Kind {
	case audit.KindDecision, audit.KindCounted:
		ev.decision(r, logged)
	default:
		ev.ofTheLog(r, logged)
	}
	return ev
}

func (ev *event) is(c class, activity int, name string) {
	ev.CategoryUID, ev.CategoryName, ev.ClassUID, ev.ClassName = c.category, c.categoryName, c.uid, c.name
	ev.ActivityID, ev.ActivityName = activity, name
	ev.TypeUID, ev.TypeName = c.uid*100+activity, c.name+": "+name
}

func (ev *event) decision(r *record, logged time.Time) {
	ev.acted(r, logged)
	if r.KTime != 0 {
		ev.Time = r.wall(logged, r.KTime).UnixMilli()
	}
	if r.Kind == audit.KindCounted {
		ev.Count, ev.StartTime, ev.EndTime = r.Count, r.wall(logged, r.First).UnixMilli(), r.wall(logged, r.Last).UnixMilli()
		ev.Time = ev.EndTime
	}
	ev.decided(r.Verdict, r.Errno)
	ev.under(r)
	ev.StatusDetail = r.Reason
	ev.Message = fmt.Sprintf("%s %s %s", r.Verdict, r.Action, r.Subject)
	switch verb := r.Action; {
	case verb == "process.exec":
		ev.is(processActivity, 1, "Launch")
		ev.Process = &ocsfProcess{Name: path.Base(r.Subject), PID: r.Process.PID, File: file(r.Subject)}
	case strings.HasPrefix(verb, "network."):
		ev.is(networkActivity, 1, "Open")
		ev.network(r)
	case strings.HasPrefix(verb, "file."):
		activity := map[string]int{"file.read": 2, "file.write": 3, "file.delete": 4}[verb]
		name := map[int]string{2: "Read", 3: "Update", 4: "Delete"}[activity]
		if activity == 0 {
			activity, name = other, strings.TrimPrefix(verb, "file.")
		}
		ev.is(fileActivity, activity, name)
		ev.File = file(r.Subject)
	default:
		ev.is(kernelActivity, 4, "Invoke")
		ev.Kernel = &kernel{Name: first(r.Subject, r.Hook), TypeID: 2, Type: "System Call"}
	}
}

func (ev *event) network(r *record) {
	d := &endpoint{Port: r.Port}
	if a, err := netip.ParseAddr(r.Addr); err == nil {
		d.IP = a.String()
	} else if r.Addr != "" {
		d.Hostname = r.Addr
	} else {
		d.Name = r.Subject
	}
	ev.DstEndpoint = d
	ev.ConnectionInfo = &connection{DirectionID: 2, Direction: "Outbound", ProtocolName: r.Protocol, ProtocolNum: map[string]int{"tcp": 6, "udp": 17}[r.Protocol]}
}

// ofTheLog is what a record says of the log, the agent or enforcement itself.
func (ev *event) ofTheLog(r *record, logged time.Time) {
	activity := map[string]int{
		audit.KindAgentStart: 6, audit.KindAgentStop: 7, audit.KindEnabled: 9, audit.KindDisabled: 10,
		"segment.sealed": 5, "segment.removed": 2,
	}[r.Kind]
	name := map[int]string{2: "Delete", 5: "Rotate", 6: "Start", 7: "Stop", 9: "Enable", 10: "Disable"}[activity]
	if activity == 0 {
		activity, name = other, r.Kind
	}
	ev.is(eventLogActivity, activity, name)
	ev.LogName, ev.LogProvider = r.Log, ev.Metadata.LogProvider
	ev.Message = strings.TrimSpace(r.Kind + " " + first(r.Reason, r.Subject, r.Policy.Name))
	ev.severity(1)
	ev.Actor = &actor{&ocsfProcess{UID: r.BootID + "/node-agent", Name: "node-agent"}}
	switch r.Kind {
	case audit.KindLoss, audit.KindRecovery, audit.KindDisabled, "policy.rejected", "ship.lagging", "clock.step", "segment.removed":
		ev.severity(3)
	case audit.KindGuardDenied, audit.KindGuardAllowed:
		ev.acted(r, logged)
		ev.decided(r.Verdict, r.Errno)
		ev.severity(4)
		ev.Time = r.wall(logged, r.KTime).UnixMilli()
	}
	ev.under(r)
}

// under says which policy decided, or came or went.
func (ev *event) under(r *record) {
	if r.Policy.Name+r.Policy.Table != "" {
		ev.Policy = &ocsfPolicy{Name: r.Policy.Name, UID: r.Policy.Table, Version: r.Policy.Source}
	}
}

// acted says who acted.
func (ev *event) acted(r *record, logged time.Time) {
	p := &ocsfProcess{PID: r.Process.PID, TID: r.Process.TID, Name: r.Process.Comm, User: &user{strconv.FormatUint(uint64(r.Process.UID), 10)}}
	p.identify(r, logged, r.Process.process)
	if r.Process.Exe != "" {
		p.File = file(r.Process.Exe)
	}
	if r.Parent.PID != 0 {
		p.Parent = &ocsfProcess{PID: r.Parent.PID, Name: r.Parent.Comm}
		p.Parent.identify(r, logged, r.Parent)
	}
	if c := r.Pod; c.UID+c.Container+c.ContainerID+c.Image != "" {
		p.Container = &container{Name: c.Container, UID: c.ContainerID, PodUUID: c.UID}
		if c.UID != "" {
			p.Container.Orchestrator = "Kubernetes"
		}
		if c.Image != "" {
			p.Container.Image = &image{c.Image}
		}
	}
	ev.Actor = &actor{p}
}

// identify names a process beyond the reuse of its number.
func (p *ocsfProcess) identify(r *record, logged time.Time, of process) {
	p.UID = fmt.Sprintf("%s/%d/%d", r.BootID, of.PID, of.Start)
	if of.Start != 0 {
		p.CreatedTime = r.wall(logged, of.Start).UnixMilli()
	}
}

func (ev *event) decided(verdict string, errno uint16) {
	alert := false
	switch audit.Verdict(verdict) {
	case audit.Deny:
		ev.ActionID, ev.Action, ev.DispositionID, ev.Disposition = 2, "Denied", 2, "Blocked"
		ev.StatusID, ev.Status = 2, "Failure"
		ev.severity(3)
		alert = true
	case audit.WouldDeny:
		ev.ActionID, ev.Action, ev.DispositionID, ev.Disposition = 1, "Allowed", 17, "Logged"
		ev.StatusID, ev.Status = 1, "Success"
		ev.severity(2)
	case audit.Audit:
		ev.ActionID, ev.Action, ev.DispositionID, ev.Disposition = 1, "Allowed", 17, "Logged"
		ev.StatusID, ev.Status = 1, "Success"
		ev.severity(1)
	default:
		ev.ActionID, ev.Action, ev.DispositionID, ev.Disposition = 1, "Allowed", 1, "Allowed"
		ev.StatusID, ev.Status = 1, "Success"
		ev.severity(1)
	}
	ev.IsAlert = &alert
	if errno != 0 {
		ev.StatusCode = strconv.Itoa(int(errno))
	}
}

func (ev *event) severity(id int) {
	ev.SeverityID, ev.Severity = id, []string{"Unknown", "Informational", "Low", "Medium", "High"}[id]
}

// file is a path of which the kernel did not say what it is.
func file(p string) *ocsfFile { return &ocsfFile{Name: path.Base(p), Path: p} }

func first(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}
