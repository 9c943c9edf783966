package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	rows := [][]string{{"rule", "states"}, {"größe", "7"}, {"a-longer-name", "12"}}
	w := &textWriter{color: true}
	w.table(rows, func(row, _ int) string {
		if row == 1 {
			return red
		}
		return ""
	})
	want := "rule           states\n" + red + "größe" + plain + "          " + red + "7" + plain + "\na-longer-name  12\n"
	if w.String() != want {
		t.Errorf("got\n%q, want\n%q", w.String(), want)
	}
	w = &textWriter{}
	w.table(rows, func(int, int) string { return red })
	if strings.Contains(w.String(), "\x1b") {
		t.Errorf("colour without a terminal: %q", w.String())
	}
}

func TestOutputFlag(t *testing.T) {
	if _, code := command(t, "", "policy", "check", "-o", "yaml", write(t, good)); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}
