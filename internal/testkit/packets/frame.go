package packets

import (
	"encoding/binary"
	"net/netip"
)

// Frame is a UDP packet with an Ethernet header before it, as BPF_PROG_TEST_RUN
// takes one, with no checksums.
func Frame(from, to netip.AddrPort, payload []byte) []byte {
	be := binary.BigEndian
	udp := be.AppendUint16(nil, from.Port())
	udp = be.AppendUint16(udp, to.Port())
	udp = be.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...)
	out := make([]byte, 12, 64+len(udp))
	if from.Addr().Is4() {
		out = append(out, 8, 0, 0x45, 0)
		out = be.AppendUint16(out, uint16(20+len(udp)))
		out = append(out, 0, 0, 0x40, 0, 64, 17, 0, 0)
	} else {
		out = append(out, 0x86, 0xdd, 0x60, 0, 0, 0)
		out = be.AppendUint16(out, uint16(len(udp)))
		out = append(out, 17, 64)
	}
	out = append(append(out, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
	return append(out, udp...)
}
