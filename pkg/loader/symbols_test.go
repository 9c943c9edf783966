package loader

import (
	"maps"
	"strings"
	"testing"
)

func TestParseSymbols(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       map[string]uint64
	}{
		{"found", "ffffffff81000000 T _stext\nffffffff82a12340 D rename_lock\nffffffff82a12380 d mount_lock\n",
			map[string]uint64{"rename_lock": 0xffffffff82a12340, "mount_lock": 0xffffffff82a12380}},
		{"hidden", "0000000000000000 D rename_lock\n0000000000000000 D mount_lock\n", map[string]uint64{}},
		{"a module's, and longer names", "ffffffffc0000000 d rename_lock\t[evil]\nffffffff81 t my_rename_lock\nffffffff82 t mount_lock.cold\n",
			map[string]uint64{}},
		{"empty", "", map[string]uint64{}},
	} {
		got, err := parseSymbols(strings.NewReader(tt.text), "rename_lock", "mount_lock")
		if err != nil || !maps.Equal(got, tt.want) {
			t.Errorf("%s: %x, %v", tt.name, got, err)
		}
	}
	if _, err := parseSymbols(strings.NewReader("zz D rename_lock\n"), "rename_lock"); err == nil {
		t.Error("an address that is none was taken")
	}
}
