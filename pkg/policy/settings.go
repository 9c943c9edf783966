package policy

import (
	"encoding/binary"
	"slices"
)

// writeSettings fills in the fields of the header that come from the policy's
// settings and not from its rules.
func (s *ruleSet) writeSettings(blob []byte) {
	le := binary.LittleEndian
	le.PutUint16(blob[6:], s.headerFlags())
	blob[offEntrypoint] = map[string]byte{"chain": 0, "single": 1, "deny": 2}[s.pol.Entrypoint]
	blob[offMaxLabel] = s.pol.DNS.MaxLabel
	le.PutUint16(blob[offTypes:], uint16(len(s.pol.DNS.Types)))
	le.PutUint32(blob[offRate:], s.pol.DNS.Rate)
	var relaxed uint32
	for bit, name := range BuiltinNames() {
		if slices.Contains(s.pol.Builtin, name) {
			relaxed |= 1 << bit
		}
	}
	le.PutUint32(blob[offBuiltin:], relaxed)
	for i, t := range s.pol.DNS.Types {
		le.PutUint16(blob[offTypeList+2*i:], t)
	}
}

func (s *ruleSet) headerFlags() uint16 {
	var f uint16
	for bit, on := range map[uint16]bool{
		headerObserve:   s.observe,
		headerAuditLoss: s.pol.OnAuditLoss == "deny",
		headerAgentLoss: s.pol.OnAgentLoss == "deny",
		headerCut:       s.pol.Connections == "cut",
		headerDNSTCP:    s.pol.DNS.TCP,
	} {
		if on {
			f |= bit
		}
	}
	return f
}
