// SPDX-License-Identifier: MIT

package audit

import (
	"maps"
	"slices"
)

// Balance compares the log with the kernel's counters; section 6 of the format.
// All numbers are decisions, summed over every CPU, boot and load of the kernel
// programs that the log covers.
type Balance struct {
	Seen        uint64 `json:"seen"`        // kernel sequence numbers present in records
	Counted     uint64 `json:"counted"`     // allows in counted records
	Declared    uint64 `json:"declared"`    // declared lost by loss records
	Unexplained uint64 `json:"unexplained"` // confirmed by the counters, but neither present nor declared
	Open        uint64 `json:"open"`        // missing, but not confirmed by a later heartbeat or stop
	Repeated    uint64 `json:"repeated"`    // present twice, or present and declared lost
	Loads       int    `json:"loads"`       // loads of the kernel programs
	// ByLoad has the sums of each load, CPUs each CPU of each load: up to a
	// thousand, and a thousand more where something is unexplained.
	ByLoad []LoadBalance `json:"by_load"`
	CPUs   []CPUBalance  `json:"cpus"`
}

// LoadBalance is the balance of one load of the kernel programs in one boot.
type LoadBalance struct {
	BootID        string `json:"boot_id"`
	LoadID        string `json:"load_id"`
	CPUs          int    `json:"cpus"`
	Seen          uint64 `json:"seen"`
	Declared      uint64 `json:"declared"`
	Counted       uint64 `json:"counted"`        // allows in counted records, or declared lost
	KernelCounted uint64 `json:"kernel_counted"` // by the kernel's own count, as of a stop; 0: not known
	Unexplained   uint64 `json:"unexplained"`
	Open          uint64 `json:"open"`
}

// maxListed bounds how much of the balance is listed one by one.
const maxListed = 1000

// listed says whether one more is listed behind n others.
func listed(n int, unexplained uint64) bool {
	return n < maxListed || unexplained > 0 && n < 2*maxListed
}

// CPUBalance is the balance of one CPU under one load of the kernel programs.
type CPUBalance struct {
	BootID      string    `json:"boot_id"`
	LoadID      string    `json:"load_id"`
	CPU         uint32    `json:"cpu"`
	Seen        uint64    `json:"seen"`
	Declared    uint64    `json:"declared"`
	Confirmed   uint64    `json:"confirmed"` // numbers up to this one must be accounted for
	Last        uint64    `json:"last"`      // highest number seen or reported by the kernel
	Unexplained uint64    `json:"unexplained"`
	Open        uint64    `json:"open"`
	FirstGap    *SeqRange `json:"first_gap,omitempty"`
}

const (
	maxCPU = 8192    // beyond what Linux can be built for
	maxSeq = 1 << 62 // beyond what a kernel can count
)

// accountant keeps the balance of the load that the log is at.
type accountant struct {
	total      Balance
	boot, load string
	started    bool
	cpus       map[uint32]*cpuAccount
	countedLog uint64 // allows in counted records of this load
	// allows that were counted and whose records are declared lost
	countedLost uint64
}

type cpuAccount struct {
	set       rangeSet // numbers seen or declared lost
	base      uint64   // numbers up to here are not expected
	reported  uint64   // last number the kernel reported
	confirmed uint64
	seen      uint64
	declared  uint64
	unranged  uint64 // declared without saying which

	countedBase  uint64
	countedFinal uint64 // by the kernel, when every one was in the log
}

func (a *accountant) cpu(n uint32) *cpuAccount {
	if a.cpus == nil {
		a.cpus = map[uint32]*cpuAccount{}
	}
	c := a.cpus[n]
	if c == nil {
		c = &cpuAccount{}
		a.cpus[n] = c
	}
	return c
}

// enter is told of every record's boot.
func (a *accountant) enter(boot string) {
	if a.boot != boot {
		a.closeLoad()
		a.boot, a.load = boot, ""
	}
}

func (a *accountant) decision(cpu uint32, kseq uint64) {
	if kseq == 0 || kseq > maxSeq {
		return
	}
	c := a.cpu(cpu)
	c.seen++
	a.total.Repeated += c.set.add(kseq, kseq)
}

func (a *accountant) counted(n uint64) {
	a.countedLog += n
	a.total.Counted += n
}

func (a *accountant) loss(cpu uint32, ranges []SeqRange, count uint64) {
	c := a.cpu(cpu)
	for _, r := range ranges {
		if r.From == 0 || r.From > r.To || r.To > maxSeq {
			continue
		}
		c.declared += r.To - r.From + 1
		a.total.Repeated += c.set.add(r.From, r.To)
	}
	c.declared += count
	c.unranged += count
}

// start begins a load, or goes on with the one before.
func (a *accountant) start(load string, cpus []cpuCounters) {
	if !a.started || load == "" || load != a.load {
		a.closeLoad()
		a.load, a.started = load, true
		for _, k := range cpus {
			c := a.cpu(k.CPU)
			c.base, c.reported, c.confirmed, c.countedBase = k.Seq, k.Seq, k.Seq, k.Counted
		}
		return
	}
	a.counters(cpus, false)
}

// counters takes a snapshot of the kernel's counters. What an earlier snapshot
// reported has had time to arrive; what this one reports only if it is final.
func (a *accountant) counters(cpus []cpuCounters, final bool) {
	for _, k := range cpus {
		c := a.cpu(k.CPU)
		c.confirmed = max(c.confirmed, c.reported)
		c.reported = max(c.reported, k.Seq)
		if final {
			c.confirmed = c.reported
			c.countedFinal = k.Counted
		}
	}
}

// closeLoad adds the load's numbers to the total.
func (a *accountant) closeLoad() {
	if len(a.cpus) == 0 {
		return
	}
	a.total.Loads++
	load := LoadBalance{BootID: a.boot, LoadID: a.load, CPUs: len(a.cpus), Counted: a.countedLog + a.countedLost}
	for _, n := range slices.Sorted(maps.Keys(a.cpus)) {
		c := a.cpus[n]
		b := c.balance()
		b.BootID, b.LoadID, b.CPU = a.boot, a.load, n
		load.Seen += b.Seen
		load.Declared += b.Declared
		load.Unexplained += b.Unexplained
		load.Open += b.Open
		if listed(len(a.total.CPUs), b.Unexplained) {
			a.total.CPUs = append(a.total.CPUs, b)
		}
		load.KernelCounted += max(c.countedFinal, c.countedBase) - c.countedBase
	}
	if load.KernelCounted > load.Counted {
		load.Unexplained += load.KernelCounted - load.Counted
	}
	a.total.Seen += load.Seen
	a.total.Declared += load.Declared
	a.total.Unexplained += load.Unexplained
	a.total.Open += load.Open
	if listed(len(a.total.ByLoad), load.Unexplained) {
		a.total.ByLoad = append(a.total.ByLoad, load)
	}
	a.cpus, a.countedLog, a.countedLost = nil, 0, 0
}

func (c *cpuAccount) balance() CPUBalance {
	b := CPUBalance{Seen: c.seen, Declared: c.declared, Confirmed: c.confirmed, Last: c.reported}
	if n := len(c.set.r); n > 0 {
		b.Last = max(b.Last, c.set.r[n-1].To)
	}
	b.Unexplained, b.FirstGap = c.set.missing(c.base+1, c.confirmed)
	b.Open, _ = c.set.missing(max(c.base, c.confirmed)+1, b.Last)
	explained := min(c.unranged, b.Unexplained)
	b.Unexplained -= explained
	b.Open -= min(c.unranged-explained, b.Open)
	if b.Unexplained == 0 {
		b.FirstGap = nil
	}
	return b
}
