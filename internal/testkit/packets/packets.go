// Package packets makes DNS messages, honest and forged, and says what each of
// them tells: once by rules written down plainly (Query, Answer), once by a
// library that nobody here wrote (github.com/miekg/dns). The kernel's parser is
// held against both: it gives the same name and addresses, or refuses.
package packets

import (
	"net/netip"
)

// Told is what a message tells: the name asked for and, of an answer, the
// addresses that the name leads to.
type Told struct {
	ID    uint16
	Name  string // the labels in lower case, each with its length in front, and the root's zero
	Type  uint16
	Addrs []netip.Addr // in the order of the message, IPv4 unmapped
}

// Types that the rules know.
const (
	typeA     = 1
	typeCNAME = 5
	typeOPT   = 41
	typeAAAA  = 28
	classIN   = 1
)

// Message is a made one.
type Message struct {
	Wire []byte
	// Plain messages are as ordinary resolvers and servers send them: no parser may refuse one.
	Plain bool
	// What was done to it, for the text of a failure.
	How string
}
