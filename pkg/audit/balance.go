// SPDX-License-Identifier: MIT

package audit

// Balance compares the log with the kernel's counters; section 6 of the format.
// All numbers are decisions. They are sums over all CPUs, boots and loads of the
// programs that the log covers.
type Balance struct {
	Seen        uint64       `json:"seen"`        // kernel sequence numbers present in records
	Counted     uint64       `json:"counted"`     // allows in counted records
	Declared    uint64       `json:"declared"`    // declared lost by loss records
	Unexplained uint64       `json:"unexplained"` // neither present nor declared, though the counters confirm them
	Open        uint64       `json:"open"`        // missing, but not confirmed by a later heartbeat or stop
	Repeated    uint64       `json:"repeated"`    // present twice, or present and declared lost
	Loads       int          `json:"loads"`       // loads of the kernel programs
	CPUs        []CPUBalance `json:"cpus"`        // of the last load, and of others only where something is unexplained
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
