package loader

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
)

// kernelSymbols returns the addresses of the named symbols of the kernel
// itself. Those that the kernel hides (kptr_restrict) or lacks are missing.
func kernelSymbols(names ...string) (map[string]uint64, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, fmt.Errorf("read kernel symbols: %w", err)
	}
	defer f.Close()
	return parseSymbols(f, names...)
}

// parseSymbols reads lines such as "ffffffff82a12340 D rename_lock"; symbols of
// modules have a fourth field.
func parseSymbols(r io.Reader, names ...string) (map[string]uint64, error) {
	found := make(map[string]uint64, len(names))
	sc := bufio.NewScanner(r)
	for sc.Scan() && len(found) < len(names) {
		line := sc.Bytes()
		for _, n := range names {
			addr, ok := bytes.CutSuffix(line, []byte(" "+n))
			if !ok || len(addr) < 2 || addr[len(addr)-2] != ' ' {
				continue
			}
			a, err := strconv.ParseUint(string(addr[:len(addr)-2]), 16, 64)
			if err != nil {
				return nil, fmt.Errorf("parse kernel symbol %q: %w", line, err)
			}
			if a != 0 {
				found[n] = a
			}
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read kernel symbols: %w", err)
	}
	return found, nil
}
