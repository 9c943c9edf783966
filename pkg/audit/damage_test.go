// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sort"
	"sync"
	"testing"
)

// with returns the files with other bytes for one of them.
func with(files map[string][]byte, name string, data []byte) *memFS {
	files = maps.Clone(files)
	files[name] = data
	return newMemFS(files)
}

// inParallel calls f with 0..n-1 by step.
func inParallel(n, step int, f func(i int)) {
	var wg sync.WaitGroup
	for k := range runtime.NumCPU() {
		wg.Go(func() {
			for i := k * step; i < n; i += step * runtime.NumCPU() {
				f(i)
			}
		})
	}
	wg.Wait()
}

// every is how many places one is tried of: all in `make test-long`, one in 15 in
// `make test` (odd, so that every bit position is met), fewer with the race
// detector.
func every(short int) int {
	switch {
	case testing.Short():
		return short
	case long:
		return 1
	}
	return 15
}

func TestEveryFlippedBitIsFoundInItsRecord(t *testing.T) {
	files, segment := sampleLog(t, 72, 3)
	delete(files, headName) // so that the last newline is a tear
	data := files[segment]
	ends := lineEnds(data)
	if len(ends) < 100 {
		t.Fatalf("only %d records", len(ends))
	}
	step := every(4001)
	lastCommits := commitEnds(data)
	lastBatch := lastCommits[len(lastCommits)-2]
	inParallel(len(data)*8, step, func(i int) {
		bit, at := byte(1)<<(i%8), i/8
		mutated := bytes.Clone(data)
		mutated[at] ^= bit
		r := verifyMem(t, with(files, segment, mutated))
		record := uint64(sort.SearchInts(ends, at+1))
		if at == len(data)-1 { // the last newline: a torn tail
			if r.ExitCode() != ExitIncomplete || r.TailBytes != int64(len(data)-lastBatch) {
				t.Errorf("last newline: exit %d, tail %d", r.ExitCode(), r.TailBytes)
			}
			return
		}
		if r.Bad == nil || r.Bad.Seq != record || r.ExitCode() != ExitTampered {
			t.Errorf("bit %d of byte %d, in record %d: %+v", i%8, at, record, r.Bad)
		}
	})
}

func TestFlippedBitsOfOriginAreFound(t *testing.T) {
	files, _ := sampleLog(t, 3, 3)
	for i := range len(files[originName]) * 8 {
		mutated := bytes.Clone(files[originName])
		mutated[i/8] ^= 1 << (i % 8)
		r := verifyMem(t, with(files, originName, mutated))
		if r.Bad == nil || r.Bad.Segment != originName {
			t.Fatalf("bit %d: %+v", i, r.Bad)
		}
	}
}

// thousand is a log of a thousand records, and its segment.
func thousand(t *testing.T) (files map[string][]byte, segment string) {
	t.Helper()
	m := newMemFS(nil)
	l := openMem(t, m)
	for i := range 884 {
		var r Record = &Heartbeat{CPUs: []CPUCounters{{}}}
		if i%20 == 19 {
			r = decision(0)
		}
		check(t, l.Append(r))
		if i%8 == 7 {
			check(t, l.Flush(t.Context()))
		}
	}
	check(t, l.Close(t.Context()))
	files = m.snapshot()
	for name := range files {
		if segmentName.MatchString(name) {
			segment = name
		}
	}
	if n := len(lineEnds(files[segment])); n < 1000 {
		t.Fatalf("only %d records", n)
	}
	return files, segment
}

func TestTruncatedAnywhere(t *testing.T) {
	files, segment := thousand(t)
	delete(files, headName) // that the log went further: see TestReopenRefusesLogBehindItsHead
	data := files[segment]
	commits := commitEnds(data)
	step := every(9973)
	at := func(cut int) {
		r := verifyMem(t, with(files, segment, data[:cut]))
		n := sort.SearchInts(commits, cut+1) // commits that are whole
		want, tail := ExitIncomplete, cut
		if n > 0 {
			tail = cut - commits[n-1]
			if tail == 0 {
				want = ExitProven
			}
		}
		if r.ExitCode() != want || r.Bad != nil || r.TailBytes != int64(tail) || r.Commits != uint64(n) {
			t.Errorf("cut at %d: exit %d, want %d; tail %d, want %d; bad %+v", cut, r.ExitCode(), want, r.TailBytes, tail, r.Bad)
		}
	}
	inParallel(len(data), step, at)
	inParallel(len(commits), min(5, every(5)), func(i int) {
		at(commits[i] - 1)
		at(commits[i])
	})
}

func TestZerosAtTheEndAreATear(t *testing.T) {
	files, segment := sampleLog(t, 6, 3)
	data := files[segment]
	for _, zeros := range []int{1, 100, 5000, 300_000} {
		r := verifyMem(t, with(files, segment, append(bytes.Clone(data), make([]byte, zeros)...)))
		if r.ExitCode() != ExitIncomplete || r.TailBytes != int64(zeros) {
			t.Errorf("%d zeros: exit %d, tail %d, bad %+v", zeros, r.ExitCode(), r.TailBytes, r.Bad)
		}
	}
	for name, tail := range map[string][]byte{
		"text after zeros": append(make([]byte, 20_000), 'x'),
		"no line ends":     bytes.Repeat([]byte("x"), 20_000),
		"too many zeros":   make([]byte, maxTail+1),
		"a foreign line":   []byte("{}\n"),
	} {
		r := verifyMem(t, with(files, segment, append(bytes.Clone(data), tail...)))
		if r.ExitCode() != ExitTampered {
			t.Errorf("%s: exit %d", name, r.ExitCode())
		}
	}
}

func TestLinesDroppedDoubledSwapped(t *testing.T) {
	files, segment := sampleLog(t, 40, 3)
	lines := slices.Collect(bytes.Lines(files[segment]))
	at := func(n uint64) string { return fmt.Sprintf("record %d", n) }
	for i := range len(lines) - 1 {
		dropped := slices.Delete(slices.Clone(lines), i, i+1)
		doubled := slices.Insert(slices.Clone(lines), i, lines[i])
		swapped := slices.Clone(lines)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		for name, c := range map[string]struct {
			lines [][]byte
			bad   uint64
		}{"dropped": {dropped, uint64(i)}, "doubled": {doubled, uint64(i + 1)}, "swapped": {swapped, uint64(i)}} {
			r := verifyMem(t, with(files, segment, bytes.Join(c.lines, nil)))
			if r.Bad == nil || at(r.Bad.Seq) != at(c.bad) {
				t.Errorf("%s line %d: %+v", name, i, r.Bad)
			}
		}
	}
}

func TestLinesOfAnotherLogAreFound(t *testing.T) {
	files, segment := sampleLog(t, 10, 3)
	other, otherSegment := sampleLog(t, 10, 3)
	lines := slices.Collect(bytes.Lines(files[segment]))
	foreign := slices.Collect(bytes.Lines(other[otherSegment]))
	for i := range min(len(lines), len(foreign)) {
		mixed := slices.Clone(lines)
		mixed[i] = foreign[i]
		if r := verifyMem(t, with(files, segment, bytes.Join(mixed, nil))); r.ExitCode() != ExitTampered {
			t.Errorf("line %d of another log: exit %d", i, r.ExitCode())
		}
	}
}

func TestRemovedFiles(t *testing.T) {
	files, segment := sampleLog(t, 3, 3)
	delete(files, headName)
	for _, name := range []string{segment, originName} {
		left := maps.Clone(files)
		delete(left, name)
		if r := verifyMem(t, newMemFS(left)); r.ExitCode() != ExitTampered {
			t.Errorf("without %s: exit %d", name, r.ExitCode())
		}
	}
	if r := verifyMem(t, with(files, segment, nil)); r.ExitCode() != ExitIncomplete {
		t.Errorf("emptied segment: exit %d", r.ExitCode())
	}
}
