// SPDX-License-Identifier: MIT

// Command table joins what the demo's agents say happened to them with what the audit log says, and compares both with what the demo
// promises.
//
// Use: table LOG NAME=REPORT...   print the table; REPORT is what agent NAME printed
//
//	table flip LOG             change one byte of the record of the first denied read of /etc/shadow; print its sequence number
//
// Exit codes: 0 all as promised, 1 not, 2 wrong use.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	if len(args) == 2 && args[0] == "flip" {
		f, err := flip(args[1])
		if err != nil {
			return 1, err
		}
		fmt.Fprintf(os.Stderr, "changed: record %d, byte %d of %s: %s is now %s\n", f.seq, f.offset, f.segment, f.before, f.after)
		fmt.Println(f.seq)
		return 0, nil
	}
	if len(args) < 2 {
		return 2, fmt.Errorf("use: table LOG NAME=REPORT... | table flip LOG")
	}
	records, err := readLog(args[0])
	if err != nil {
		return 1, err
	}
	var agents []agent
	for _, a := range args[1:] {
		name, file, ok := strings.Cut(a, "=")
		if !ok {
			return 2, fmt.Errorf("%q is not NAME=REPORT", a)
		}
		said, err := readReport(file)
		if err != nil {
			return 1, err
		}
		agents = append(agents, agent{name, said})
	}
	t := join(agents, records)
	if err := t.write(os.Stdout, color()); err != nil {
		return 1, err
	}
	if t.failed() {
		return 1, nil
	}
	return 0, nil
}

func color() bool {
	_, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS)
	return err == nil && os.Getenv("NO_COLOR") == ""
}
