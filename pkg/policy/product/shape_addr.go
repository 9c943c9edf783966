package product

// addrShape: a class byte, 16 bytes of address, IPv4 in its mapped form, TCP or
// UDP, two bytes of port. The state is the number of bytes read, with a mark on
// what is the mapped form so far.
type addrShape struct{ v4 bool }

const (
	addrBytes  = 20
	addrProto  = 17
	addrOwn    = 13 // where the four bytes of an IPv4 address begin
	addrMapped = 0x80

	protoTCP = 6
	protoUDP = 17
)

func (a addrShape) next(state uint8, b byte) (uint8, bool) {
	at, isMapped := state&^addrMapped, state&addrMapped != 0
	switch {
	case at == addrBytes:
		return 0, false
	case at == 0:
		return 1 | addrMapped, b == classRoot || b == classVolume
	case at < addrOwn:
		isMapped = isMapped && (at < 11 && b == 0 || at >= 11 && b == 0xff)
		if a.v4 && !isMapped || !a.v4 && isMapped && at == addrOwn-1 {
			return 0, false
		}
	case at == addrProto && b != protoTCP && b != protoUDP:
		return 0, false
	}
	if at++; isMapped && at < addrOwn {
		at |= addrMapped
	}
	return at, true
}

func (addrShape) done(state uint8) bool { return state == addrBytes }

func (addrShape) kindOf(b byte) byte {
	switch b {
	case 0, classRoot, classVolume, protoTCP, protoUDP, 0xff:
		return b
	}
	return 'a'
}

// nicest makes examples out of the addresses that are kept for documentation,
// and port 443.
func (a addrShape) nicest(state uint8) (byte, bool) {
	example := "\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x06\x01\xbb"
	if a.v4 {
		example = "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xcb\x00\x71\x07\x06\x01\xbb"
	}
	if at := int(state &^ addrMapped); at < addrBytes {
		return example[at], true
	}
	return 0, false
}
