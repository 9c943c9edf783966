// SPDX-License-Identifier: MIT

package audit

// Standing is where a log stands with the kernel: what it says about the load
// of the programs that it was at. An agent that adopts the load goes on from it.
type Standing struct {
	LoadID  string // empty: the log is at no load that can be adopted
	CPUs    []CPUStanding
	Counted uint64 // allows of the load in counted records, or declared lost
}

// CPUStanding is the standing of one CPU.
type CPUStanding struct {
	CPU     uint32
	Last    uint64     // the highest number that was seen or declared lost
	Missing []SeqRange // those below it that were neither
	// CountedBase is what the kernel had counted when the log first met the load.
	CountedBase uint64
}

// Found is the log's standing when it was opened, in this boot. What a crash
// left behind the last commit is not part of it.
func (l *Log) Found() Standing { return l.found }

// Born says that Open started the log.
func (l *Log) Born() bool { return l.born }

// standing is what the accountant knows of a load in a boot.
func (a *accountant) standing(boot string) Standing {
	if !a.started || a.boot != boot || a.load == "" {
		return Standing{}
	}
	s := Standing{LoadID: a.load, Counted: a.countedLog + a.countedLost}
	for n, c := range a.cpus {
		cpu := CPUStanding{CPU: n, Last: c.base, CountedBase: c.countedBase}
		for _, r := range c.set.r {
			if r.To <= c.base {
				continue
			}
			if r.From > cpu.Last+1 {
				cpu.Missing = append(cpu.Missing, SeqRange{cpu.Last + 1, r.From - 1})
			}
			cpu.Last = r.To
		}
		s.CPUs = append(s.CPUs, cpu)
	}
	return s
}
