// SPDX-License-Identifier: MIT

package audit

import (
	"encoding/json"
	"errors"
	"fmt"
)

// cpuCounters is CPUCounters as it stands in a line.
type cpuCounters struct {
	CPU     uint32 `json:"cpu"`
	Seq     uint64 `json:"seq"`
	Counted uint64 `json:"counted"`
}

// record accounts for one record.
func (a *accountant) record(boot string, r *parsed) error {
	a.enter(boot)
	switch string(r.kind) {
	case KindDecision, KindGuardDenied, KindGuardAllowed:
		cpu, ok := scanCPU(r.f.cpu)
		kseq, ok2 := scanUint(r.f.kseq)
		if !ok || !ok2 {
			return errors.New("decision has no valid cpu and kseq")
		}
		a.decision(cpu, kseq)
	case KindCounted:
		n, ok := scanUint(r.f.count)
		if !ok {
			return errors.New("counted record has no valid count")
		}
		a.counted(n)
	case KindLoss:
		cpu, ok := scanCPU(r.f.cpu)
		n, ok2 := scanUint(r.f.count)
		var pairs [][2]uint64
		if !ok || !ok2 || json.Unmarshal(r.f.ranges, &pairs) != nil {
			return errors.New("loss record has no valid cpu, ranges and count")
		}
		var counted uint64
		if r.f.counted != nil {
			var ok bool
			if counted, ok = scanUint(r.f.counted); !ok || counted > maxSeq {
				return errors.New("loss record has no valid number of counted allows")
			}
		}
		ranges := make([]SeqRange, len(pairs))
		for i, p := range pairs {
			ranges[i] = SeqRange{p[0], p[1]}
		}
		a.loss(cpu, ranges, n)
		a.countedLost += counted
		a.total.Declared += counted
	case KindAgentStart, KindAgentStop, KindHeartbeat:
		return a.agent(r)
	}
	return nil
}

func (a *accountant) agent(r *parsed) error {
	var cpus []cpuCounters
	if r.f.cpus != nil {
		if err := json.Unmarshal(r.f.cpus, &cpus); err != nil {
			return fmt.Errorf("read cpus: %w", err)
		}
	}
	for _, c := range cpus {
		if c.CPU >= maxCPU || c.Seq > maxSeq {
			return fmt.Errorf("counters of cpu %d cannot be", c.CPU)
		}
	}
	switch string(r.kind) {
	case KindAgentStart:
		var load string
		if r.f.loadID != nil {
			if err := json.Unmarshal(r.f.loadID, &load); err != nil {
				return fmt.Errorf("read load_id: %w", err)
			}
		}
		a.start(load, cpus)
	case KindAgentStop:
		a.counters(cpus, true)
	default:
		a.counters(cpus, string(r.f.final) == "true")
	}
	return nil
}

func scanCPU(v []byte) (uint32, bool) {
	n, ok := scanUint(v)
	return uint32(n), ok && n < maxCPU
}
