package packets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

const (
	headerSize = 12
	maxName    = 255
	maxLabel   = 63

	flagQR     = 1 << 15
	flagTC     = 1 << 9
	maskOpcode = 0xf << 11
	maskRcode  = 0xf
)

// Query reads a query by the rules: one question of class IN, its name not
// compressed, nothing else but one EDNS record, nothing behind it.
func Query(b []byte) (Told, error) {
	h, err := header(b)
	switch {
	case err != nil:
		return Told{}, err
	case h.flags&(flagQR|flagTC|maskOpcode|maskRcode) != 0:
		return Told{}, errors.New("not a standard query")
	case h.questions != 1 || h.answers != 0 || h.authorities != 0 || h.additional > 1:
		return Told{}, errors.New("more than a question")
	}
	told, at, err := question(b, h.id)
	if err != nil {
		return Told{}, err
	}
	if h.additional == 1 {
		r, next, err := record(b, at)
		if err != nil {
			return Told{}, err
		}
		if r.kind != typeOPT || r.owner != "\x00" || b[at] != 0 {
			return Told{}, errors.New("a record that is not EDNS's")
		}
		if err := options(b[r.data : r.data+r.size]); err != nil {
			return Told{}, err
		}
		at = next
	}
	if at != len(b) {
		return Told{}, errors.New("bytes behind the message")
	}
	return told, nil
}

// options wants EDNS options that fill their record.
func options(b []byte) error {
	for len(b) > 0 {
		if len(b) < 4 || len(b) < 4+int(binary.BigEndian.Uint16(b[2:])) {
			return errors.New("an option past its record")
		}
		b = b[4+int(binary.BigEndian.Uint16(b[2:])):]
	}
	return nil
}

// Answer reads an answer by the rules: one question, then records of which the
// aliases lead from the name asked for, each by the next, to the name whose
// addresses count. Records of others' names tell nothing.
func Answer(b []byte) (Told, error) {
	h, err := header(b)
	switch {
	case err != nil:
		return Told{}, err
	case h.flags&flagQR == 0 || h.flags&maskOpcode != 0:
		return Told{}, errors.New("not an answer to a standard query")
	case h.flags&flagTC != 0:
		return Told{}, errors.New("truncated")
	case h.flags&maskRcode != 0:
		return Told{}, errors.New("an error's code")
	case h.questions != 1:
		return Told{}, errors.New("not one question")
	}
	told, at, err := question(b, h.id)
	if err != nil {
		return Told{}, err
	}
	target := told.Name
	for range h.answers {
		r, next, err := record(b, at)
		if err != nil {
			return Told{}, err
		}
		at = next
		if r.class != classIN || r.owner != target {
			continue
		}
		data := b[r.data : r.data+r.size]
		switch {
		case r.kind == typeCNAME:
			name, end, err := name(b, r.data)
			if err != nil {
				return Told{}, err
			}
			if end != r.data+r.size {
				return Told{}, errors.New("an alias that does not fill its record")
			}
			if len(told.Addrs) > 0 {
				return Told{}, errors.New("an alias behind the addresses of its own name")
			}
			target = name
		case r.kind == typeA && told.Type == typeA, r.kind == typeAAAA && told.Type == typeAAAA:
			a, ok := netip.AddrFromSlice(data)
			if !ok || a.Is4() != (r.kind == typeA) {
				return Told{}, errors.New("an address of another size")
			}
			told.Addrs = append(told.Addrs, a.Unmap())
		}
	}
	return told, nil
}

type head struct {
	id, flags, questions, answers, authorities, additional uint16
}

func header(b []byte) (head, error) {
	if len(b) < headerSize {
		return head{}, errors.New("shorter than a header")
	}
	u := binary.BigEndian.Uint16
	return head{u(b), u(b[2:]), u(b[4:]), u(b[6:]), u(b[8:]), u(b[10:])}, nil
}

// question reads the one behind the header.
func question(b []byte, id uint16) (Told, int, error) {
	asked, at, err := name(b, headerSize)
	if err != nil {
		return Told{}, 0, err
	}
	if at != headerSize+len(asked) {
		return Told{}, 0, errors.New("a compressed question")
	}
	if len(b) < at+4 {
		return Told{}, 0, errors.New("ends within the question")
	}
	if binary.BigEndian.Uint16(b[at+2:]) != classIN {
		return Told{}, 0, errors.New("a question of another class")
	}
	return Told{ID: id, Name: asked, Type: binary.BigEndian.Uint16(b[at:])}, at + 4, nil
}

type resource struct {
	owner       string
	kind, class uint16
	data, size  int
}

func record(b []byte, at int) (resource, int, error) {
	owner, at, err := name(b, at)
	if err != nil {
		return resource{}, 0, err
	}
	if len(b) < at+10 {
		return resource{}, 0, errors.New("ends within a record")
	}
	r := resource{owner, binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:]), at + 10, int(binary.BigEndian.Uint16(b[at+8:]))}
	if len(b) < r.data+r.size {
		return resource{}, 0, errors.New("ends within a record's data")
	}
	return r, r.data + r.size, nil
}

// name reads a name and returns where it ends in the message. A pointer leads
// backwards, before the name's own labels, so each is nearer to the start.
func name(b []byte, at int) (string, int, error) {
	var out []byte
	start, end := at, 0
	for {
		if at >= len(b) {
			return "", 0, errors.New("a name past the end")
		}
		n := int(b[at])
		switch {
		case n >= 0xc0:
			if at+1 >= len(b) {
				return "", 0, errors.New("a pointer past the end")
			}
			to := (n&0x3f)<<8 | int(b[at+1])
			if end == 0 {
				end = at + 2
			}
			if to >= start || to < headerSize {
				return "", 0, fmt.Errorf("a pointer to %d from a name at %d", to, start)
			}
			start, at = to, to
			continue
		case n > maxLabel:
			return "", 0, fmt.Errorf("a label of kind %#x", n&0xc0)
		case at+1+n > len(b):
			return "", 0, errors.New("a label past the end")
		}
		if len(out)+1+n > maxName {
			return "", 0, errors.New("a name that is too long")
		}
		out = append(out, b[at])
		for _, c := range b[at+1 : at+1+n] {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			out = append(out, c)
		}
		at += 1 + n
		if n == 0 {
			if end == 0 {
				end = at
			}
			return string(out), end, nil
		}
	}
}
