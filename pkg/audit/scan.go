// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"errors"
)

// The scanner accepts what the encoder writes: JSON without white space,
// nested at most maxDepth deep. It allocates nothing.

const maxDepth = 8

var errJSON = errors.New("line is not a JSON object as this format has it")

// scanObject calls member for every member of the object that begins at b[i] and
// returns the position after it.
func scanObject(b []byte, i, depth int, member func(key, value []byte)) (int, error) {
	if depth > maxDepth || i >= len(b) || b[i] != '{' {
		return i, errJSON
	}
	if i++; i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	return scanMembers(b, i, depth, member)
}

// scanMembers is scanObject for an object of which the members before b[i] have
// been read.
func scanMembers(b []byte, i, depth int, member func(key, value []byte)) (int, error) {
	for {
		k, v, end, err := scanMember(b, i, depth)
		if err != nil || end >= len(b) {
			return end, errJSON
		}
		if member != nil {
			member(k, v)
		}
		i = end + 1
		switch b[end] {
		case ',':
		case '}':
			return i, nil
		default:
			return end, errJSON
		}
	}
}

// scanMember returns the name of the member at b[i] without quotes, its value,
// and the position after it.
func scanMember(b []byte, i, depth int) (key, value []byte, end int, err error) {
	k, err := scanString(b, i)
	if err != nil || k >= len(b) || b[k] != ':' {
		return nil, nil, k, errJSON
	}
	end, err = scanValue(b, k+1, depth)
	if err != nil {
		return nil, nil, end, err
	}
	return b[i+1 : k-1], b[k+1 : end], end, nil
}

func scanValue(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, errJSON
	}
	switch c := b[i]; {
	case c == '"':
		return scanString(b, i)
	case c == '{':
		return scanObject(b, i, depth+1, nil)
	case c == '[':
		return scanArray(b, i, depth+1, nil)
	case c == '-' || c >= '0' && c <= '9':
		return scanNumber(b, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(b[i:], []byte(word)) {
			return i + len(word), nil
		}
	}
	return i, errJSON
}

func scanArray(b []byte, i, depth int, item func(value []byte)) (int, error) {
	if depth > maxDepth || i >= len(b) || b[i] != '[' {
		return i, errJSON
	}
	if i++; i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		end, err := scanValue(b, i, depth)
		if err != nil || end >= len(b) {
			return end, errJSON
		}
		if item != nil {
			item(b[i:end])
		}
		i = end + 1
		switch b[end] {
		case ',':
		case ']':
			return i, nil
		default:
			return end, errJSON
		}
	}
}

// scanNumber accepts integers only: the format has no others.
func scanNumber(b []byte, i int) (int, error) {
	if b[i] == '-' {
		i++
	}
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == start || b[start] == '0' && i > start+1 {
		return i, errJSON
	}
	return i, nil
}

func scanString(b []byte, i int) (int, error) {
	if i >= len(b) || b[i] != '"' {
		return i, errJSON
	}
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1, nil
		case c < ' ' || c == 0x7f:
			return i, errJSON
		case c == '\\':
			if i++; i >= len(b) {
				return i, errJSON
			}
			n, ok := 0, false
			switch b[i] {
			case '"', '\\', 'n', 'r', 't':
				ok = true
			case 'u':
				n, ok = 4, i+4 < len(b) && isHex(b[i+1:i+5])
			}
			if !ok {
				return i, errJSON
			}
			i += n
		}
	}
	return i, errJSON
}

// isHex says that b is lower-case hex digits.
func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// scanUint reads a whole value as an unsigned number.
func scanUint(v []byte) (n uint64, ok bool) {
	if len(v) == 0 || len(v) > 20 || v[0] == '0' && len(v) > 1 {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
