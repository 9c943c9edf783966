package policy

import "slices"

// push appends and doubles the room when there is none: append grows long slices
// by a quarter, and leaves several times their length behind on the way.
func push[T any](s []T, more ...T) []T {
	if len(s)+len(more) > cap(s) {
		s = slices.Grow(s, max(len(s), len(more), 64))
	}
	return append(s, more...)
}
