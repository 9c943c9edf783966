package product

import "github.com/authensor/safeclaw-node-agent/pkg/policy"

// shape is an automaton of the subjects that can really occur: paths as the
// kernel resolves them, host names, addresses. The tables answer for any bytes,
// but what they say about others means nothing.
type shape interface {
	// next returns the state behind a byte, or false where no subject goes on so.
	next(state uint8, b byte) (uint8, bool)
	// done reports whether a subject may end here.
	done(state uint8) bool
	// kindOf groups bytes that next never tells apart.
	kindOf(b byte) byte
	// nicest is the byte that reads best in an example here, if there is one.
	nicest(state uint8) (byte, bool)
}

// Class bytes, as subjects of package policy begin.
const (
	classRoot   = 1
	classVolume = 2
	classNoPath = 3
)

func shapesOf(k policy.Kind) []shape {
	switch k {
	case policy.KindHost, policy.KindName:
		return []shape{hostShape{}}
	case policy.KindCommand:
		return []shape{pathShape{command: true}}
	case policy.KindAddr:
		return []shape{addrShape{v4: true}, addrShape{}}
	}
	return []shape{pathShape{}}
}

// WellFormed reports whether a subject is one that can occur.
func WellFormed(k policy.Kind, subject []byte) bool {
	for _, sh := range shapesOf(k) {
		state, ok := uint8(0), true
		for _, b := range subject {
			if state, ok = sh.next(state, b); !ok {
				break
			}
		}
		if ok && sh.done(state) {
			return true
		}
	}
	return false
}

// pathShape: a class byte, then an absolute path without empty components,
// "." and "..", and without a slash at the end. Of a command, arguments follow,
// each behind a NUL.
type pathShape struct{ command bool }

const (
	pathClass  = iota
	pathSlash  // the first slash comes
	pathNone   // a file without a path
	pathRoot   // behind the first slash
	pathBegins // a component comes
	pathDot
	pathDots
	pathInside
	pathArgs
)

func (p pathShape) next(state uint8, b byte) (uint8, bool) {
	if state == pathArgs || b == 0 && p.command && p.done(state) {
		return pathArgs, true
	}
	switch state {
	case pathClass:
		if b == classNoPath {
			return pathNone, true
		}
		return pathSlash, b == classRoot || b == classVolume
	case pathSlash:
		return pathRoot, b == '/'
	case pathNone:
		return 0, false
	}
	switch {
	case b == 0:
		return 0, false
	case b == '/':
		return pathBegins, state == pathInside
	case b != '.':
		return pathInside, true
	case state == pathRoot || state == pathBegins:
		return pathDot, true
	case state == pathDot:
		return pathDots, true
	}
	return pathInside, true
}

func (pathShape) done(state uint8) bool {
	return state == pathNone || state == pathRoot || state == pathInside || state == pathArgs
}

func (pathShape) kindOf(b byte) byte {
	switch {
	case b <= classNoPath, b == '/', b == '.':
		return b
	}
	return 'a'
}

func (pathShape) nicest(uint8) (byte, bool) { return 0, false }

// hostShape: the byte 1, then a name in lower case from its last byte to its
// first, without empty labels.
type hostShape struct{}

const (
	hostClass = iota
	hostBegins
	hostInside
)

func (hostShape) next(state uint8, b byte) (uint8, bool) {
	switch {
	case state == hostClass:
		return hostBegins, b == classRoot
	case b == 0, 'A' <= b && b <= 'Z':
		return 0, false
	case b == '.':
		return hostBegins, state == hostInside
	}
	return hostInside, true
}

func (hostShape) done(state uint8) bool { return state == hostInside }

func (hostShape) kindOf(b byte) byte {
	switch {
	case b <= classRoot, b == '.':
		return b
	case 'A' <= b && b <= 'Z':
		return 'A'
	}
	return 'a'
}

func (hostShape) nicest(uint8) (byte, bool) { return 0, false }
