package policy

import (
	"fmt"
	"net/netip"
	"strings"
)

// hostPattern is one pattern over a host name in lower case without the
// trailing dot.
type hostPattern struct {
	kind   hostKind
	text   string      // hostExact: the name; hostSuffix: what it ends with, from a dot on
	labels []component // hostGlob
}

type hostKind uint8

const (
	hostExact hostKind = iota
	hostSuffix
	hostGlob
)

func normalHost(text string) string {
	return strings.ToLower(strings.TrimSuffix(text, "."))
}

// checkHost refuses text that no host name contains. extra lists the
// characters that the operator gives a meaning.
func checkHost(text, extra string) *globError {
	if i := strings.Index(text, "://"); i >= 0 {
		return &globError{i, "a URL; host is compared with the name alone", "leave the scheme and the path out"}
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		case strings.IndexByte(extra, c) >= 0:
		case c == ':':
			return &globError{i, "a host has no port", "write it in the field port"}
		case c == '/':
			return &globError{i, "a host has no slash", "write an address range in the field cidr"}
		case c == '*' || c == '?' || c == '{' || c == '[':
			return &globError{i, "a pattern, which this operator compares byte for byte", "use glob"}
		case c >= 0x80:
			return &globError{i, "a host name is ASCII", "write the name as DNS does, in the xn-- form"}
		default:
			return &globError{i, "a character that no host name contains", ""}
		}
	}
	if strings.Contains(text, "..") {
		return &globError{strings.Index(text, ".."), "an empty label", ""}
	}
	return nil
}

// parseHostLiteral reads the value of equals and in, which may be an address.
func parseHostLiteral(text string) (pats []hostPattern, addrs []netip.Addr, err *globError) {
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if addr, perr := netip.ParseAddr(bare); perr == nil {
		if addr.Zone() != "" {
			return nil, nil, &globError{0, "an address with a zone", "leave the part from % on out"}
		}
		return nil, []netip.Addr{addr.Unmap()}, nil
	}
	if err := checkHost(text, ""); err != nil {
		return nil, nil, err
	}
	if strings.HasPrefix(text, ".") || text == "" {
		return nil, nil, &globError{0, "not a host name", "for everything below a domain use endsWith"}
	}
	name := normalHost(text)
	if err := numericEnd(literalComponent(name[strings.LastIndexByte(name, '.')+1:]), name); err != nil {
		return nil, nil, err
	}
	return []hostPattern{{kind: hostExact, text: name}}, nil, nil
}

// numericEnd refuses a name that ends in a number. No name in DNS does, but
// programs take many such texts for an address (127.1, 0x7f.1, 2130706433) and
// then ask for no name, so a rule about it would never be asked.
func numericEnd(last component, text string) *globError {
	digits := true
	for _, t := range last.tokens {
		one := byteSet{}
		if t.kind == tokByte {
			one.add(t.b)
		} else if t.kind == tokSet {
			one = *t.set
		}
		for b := range 256 {
			digits = digits && (!one.has(byte(b)) || '0' <= b && b <= '9')
		}
		digits = digits && (t.kind == tokByte || t.kind == tokSet)
	}
	if name, ok := last.literal(); ok && strings.HasPrefix(name, "0x") {
		digits = strings.Trim(name[2:], "0123456789abcdef") == ""
	}
	if !digits {
		return nil
	}
	hint := "write the address in full, such as 127.0.0.1, or a range in the field cidr"
	if addr, err := netip.ParseAddr(strings.Trim(text, ".")); err == nil {
		hint = didYouMean(addr.String())
	}
	return &globError{0, "it ends in a number, as an address does and no name", hint}
}

// parseHostSuffix reads the value of endsWith: ".x" is everything below x, and
// "x" means x itself as well.
func parseHostSuffix(text string) ([]hostPattern, *globError) {
	if err := checkHost(text, ""); err != nil {
		return nil, err
	}
	text = normalHost(text)
	if strings.Trim(text, ".") == "" {
		return nil, &globError{0, "not the end of a host name", ""}
	}
	if err := numericEnd(literalComponent(text[strings.LastIndexByte(text, '.')+1:]), text); err != nil {
		return nil, err
	}
	if strings.HasPrefix(text, ".") {
		return []hostPattern{{kind: hostSuffix, text: text}}, nil
	}
	return []hostPattern{{kind: hostSuffix, text: "." + text}, {kind: hostExact, text: text}}, nil
}

// parseHostGlob reads a glob over host names, in which * stays within a label.
func parseHostGlob(text string) (pats []hostPattern, addrs []netip.Addr, err *globError) {
	if !strings.ContainsAny(text, `*?[{\`) || strings.Count(text, ":") > 1 {
		return parseHostLiteral(text)
	}
	if err := checkHost(text, `*?[]{},!^\`); err != nil {
		return nil, nil, err
	}
	if strings.Trim(text, "0123456789.*?") == "" && strings.ContainsAny(text, "0123456789") {
		return nil, nil, &globError{0, "a pattern over addresses", "write the range in the field cidr"}
	}
	alts, err := scanGlob(normalHost(text), '.')
	if err != nil {
		return nil, nil, err
	}
	for _, alt := range alts {
		p := hostPattern{kind: hostGlob, labels: []component{{}}}
		for _, t := range alt {
			switch {
			case t.kind == tokDeep:
				return nil, nil, &globError{strings.Index(text, "**"), "** has no meaning in a host", `use endsWith: ".example.com" for any number of labels`}
			case t.kind == tokSep:
				p.labels = append(p.labels, component{})
			default:
				last := &p.labels[len(p.labels)-1]
				last.tokens = append(last.tokens, t)
			}
		}
		for i := range p.labels {
			c, err := checkComponent(p.labels[i])
			if err != nil {
				return nil, nil, &globError{0, "an empty label", "for everything below a domain use endsWith"}
			}
			p.labels[i] = c
		}
		if err := numericEnd(p.labels[len(p.labels)-1], text); err != nil {
			return nil, nil, err
		}
		pats = append(pats, p)
	}
	return pats, nil, nil
}

// CheckHostName reports why programs never ask for a text as a host name, for
// tools that take one: it is an address, or no name at all.
func CheckHostName(text string) error {
	pats, _, err := parseHostLiteral(text)
	switch {
	case err != nil && err.hint != "":
		return fmt.Errorf("%q: %s; %s", text, err.msg, err.hint)
	case err != nil:
		return fmt.Errorf("%q: %s", text, err.msg)
	case len(pats) == 0:
		return fmt.Errorf("%q is an address", text)
	}
	return nil
}
