package packets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"
)

// Oracle reads a message as the library does: which name it asks for and, of an
// answer, what addresses that name has when its aliases are followed. It is
// lenient where Query and Answer are strict; it says what a program would
// understand, not whether it should. The library reads names, addresses and
// aliases; of records that are none it may find fault with what nobody looks at.
func Oracle(b []byte) (Told, error) {
	h, err := header(b)
	if err != nil {
		return Told{}, err
	}
	if h.questions != 1 {
		return Told{}, fmt.Errorf("%d questions", h.questions)
	}
	text, at, err := dns.UnpackDomainName(b, headerSize)
	if err != nil {
		return Told{}, err
	}
	asked, err := labels(text)
	if err != nil {
		return Told{}, err
	}
	if len(b) < at+4 {
		return Told{}, errors.New("ends within the question")
	}
	told := Told{ID: h.id, Name: asked, Type: binary.BigEndian.Uint16(b[at:])}
	if h.flags&flagQR == 0 || told.Type != typeA && told.Type != typeAAAA {
		return told, nil
	}
	records, err := answers(b, at+4, int(h.answers))
	if err != nil {
		return Told{}, err
	}
	return told, told.follow(records, binary.BigEndian.Uint16(b[at+2:]))
}

// answers unpacks the records of the answer section that say something. One
// whose owner cannot be read is nobody's: programs differ in whether they read
// on.
func answers(b []byte, at, count int) ([]dns.RR, error) {
	var out []dns.RR
	for range count {
		owner, next, err := dns.UnpackDomainName(b, at)
		nobodys := err != nil
		if nobodys {
			if next = skip(b, at); next < 0 {
				return nil, err
			}
		}
		if len(b) < next+10 {
			return nil, errors.New("ends within a record")
		}
		u := binary.BigEndian.Uint16
		h := dns.RR_Header{Name: owner, Rrtype: u(b[next:]), Class: u(b[next+2:]), Ttl: binary.BigEndian.Uint32(b[next+4:]), Rdlength: u(b[next+8:])}
		data := next + 10
		at = data + int(h.Rdlength)
		if len(b) < at {
			return nil, errors.New("ends within a record's data")
		}
		switch {
		case nobodys:
		case h.Rrtype == dns.TypeA, h.Rrtype == dns.TypeAAAA, h.Rrtype == dns.TypeCNAME:
			r, end, err := dns.UnpackRRWithHeader(h, b, data)
			// What the library cannot read, or not to its end, tells nothing.
			if err == nil && end == at {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// skip is where a name ends that is not followed, -1 where it does not.
func skip(b []byte, at int) int {
	for at < len(b) {
		switch n := int(b[at]); {
		case n >= 0xc0:
			return at + 2
		case n > maxLabel:
			return -1
		case n == 0:
			return at + 1
		default:
			at += 1 + n
		}
	}
	return -1
}

// follow collects the addresses of all names that the aliases lead to.
func (told *Told) follow(records []dns.RR, class uint16) error {
	reached := map[string]bool{told.Name: true}
	for range records {
		for _, r := range records {
			owner, err := labels(r.Header().Name)
			if err != nil {
				return err
			}
			alias, ok := r.(*dns.CNAME)
			// One without data has no target.
			if !ok || !reached[owner] || r.Header().Class != class || alias.Target == "" {
				continue
			}
			target, err := labels(alias.Target)
			if err != nil {
				return err
			}
			reached[target] = true
		}
	}
	for _, r := range records {
		owner, err := labels(r.Header().Name)
		if err != nil {
			return err
		}
		var a netip.Addr
		switch r := r.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(r.A)
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(r.AAAA)
		}
		// One without data has no address.
		if a.IsValid() && reached[owner] && r.Header().Class == class && r.Header().Rrtype == told.Type {
			told.Addrs = append(told.Addrs, a.Unmap())
		}
	}
	return nil
}

// labels is a name's text as its labels, see Told.
func labels(text string) (string, error) {
	b := make([]byte, 512)
	n, err := dns.PackDomainName(text, b, 0, nil, false)
	if err != nil {
		return "", err
	}
	if n > maxName {
		return "", errors.New("a name that is too long")
	}
	return lower(b[:n]), nil
}

// lower is without regard to which bytes are lengths: none of those is a letter's.
func lower(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	return string(out)
}
