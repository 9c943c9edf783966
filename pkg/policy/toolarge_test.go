package policy

import (
	"errors"
	"strings"
	"testing"
)

// TestSizeErrorSaysWhatToDo: what helps paths does not help addresses.
func TestSizeErrorSaysWhatToDo(t *testing.T) {
	for k, want := range map[Kind]string{KindAddr: "wider ranges", KindRead: "a literal directory"} {
		if got := (&SizeError{Kind: k, Err: errors.New("too much")}).Error(); !strings.Contains(got, want) {
			t.Errorf("%s: %s", k, got)
		}
	}
}
