package policy

// class reads [a-z] or [!a-z] from its opening bracket on.
func (s *globScanner) class() token {
	open := s.pos
	s.pos++
	negate := false
	if s.pos < len(s.text) && s.text[s.pos] == '!' {
		negate = true
		s.pos++
	} else if s.pos < len(s.text) && s.text[s.pos] == '^' {
		s.fail(s.pos, "a class is negated by !, not by ^", `write [! or [\^`)
	}
	var set byteSet
	for n := 0; s.err == nil; n++ {
		if s.pos >= len(s.text) {
			s.fail(open, "a [ without its ]", `write \[ for the character`)
			break
		}
		if s.text[s.pos] == ']' {
			s.pos++
			if n == 0 {
				s.fail(open, "an empty class", `write \[ for the character`)
			}
			break
		}
		s.classRange(&set)
	}
	if negate {
		for i := range set {
			set[i] = ^set[i]
		}
	}
	set.del(0)
	if !s.escapes {
		set.del(s.sep)
	}
	return token{kind: tokSet, set: &set}
}

func (s *globScanner) classRange(set *byteSet) {
	at := s.pos
	low := s.classByte()
	high := low
	if s.pos+1 < len(s.text) && s.text[s.pos] == '-' && s.text[s.pos+1] != ']' {
		s.pos++
		high = s.classByte()
	}
	if low > high {
		s.fail(at, "a range that runs backwards", "")
	}
	set.addRange(low, high)
}

func (s *globScanner) classByte() byte {
	at := s.pos
	if c := s.text[s.pos]; c == s.sep {
		hint := ""
		if s.escapes {
			hint = `write "\ " for a space`
		}
		s.fail(at, "a class never matches the separator", hint)
		s.pos++
		return c
	}
	c := s.literalByte()
	if c >= 0x80 {
		s.fail(at, "a class holds single bytes, so ASCII only", "write {a,b} for longer characters")
	}
	return c
}
