package loader

import (
	"errors"
	"fmt"
)

// ErrNotSupported says that this kernel cannot enforce. Callers must not run
// anything ungated instead.
var ErrNotSupported = errors.New("kernel cannot enforce BPF LSM policies")

// UnsupportedError is an ErrNotSupported with what is missing and what to do.
type UnsupportedError struct {
	What string // the missing feature
	Do   string // what an operator does about it
	Err  error  // cause, may be nil
}

func (e *UnsupportedError) Error() string {
	s := e.What
	if e.Err != nil {
		s = fmt.Sprintf("%s: %v", s, e.Err)
	}
	return s
}

// Is makes errors.Is(err, ErrNotSupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == ErrNotSupported }

func (e *UnsupportedError) Unwrap() error { return e.Err }

// ErrNoSlot is returned when every policy slot of a size class is taken.
var ErrNoSlot = errors.New("no free policy slot")
