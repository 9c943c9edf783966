// SPDX-License-Identifier: MIT

package audit

import "time"

// clockWatch notices that the wall clock was set.
type clockWatch struct {
	step func(Record)
	last stamp
}

// clockSlack is how far the clocks may drift apart between two looks: more than
// the kernel ever slews in the time that a log is silent.
const clockSlack = 200 * time.Millisecond

// look compares the clocks with what they said before.
func (c *clockWatch) look(s stamp) {
	if c.last != (stamp{}) {
		over := s.mono - c.last.mono
		step := (s.time - c.last.time) - over
		if d := time.Duration(step); d > clockSlack || d < -clockSlack {
			c.step(&clockStep{Step: step, Over: over})
		}
	}
	c.last = s
}

// clockStep says that the wall clock moved by Step nanoseconds more than the
// boottime clock did.
type clockStep struct{ Step, Over int64 }

func (*clockStep) Kind() string   { return KindClockStep }
func (*clockStep) critical() bool { return true }

func (c *clockStep) appendFields(e *encoder) {
	e.int("step", c.Step)
	e.int("over", c.Over)
}
