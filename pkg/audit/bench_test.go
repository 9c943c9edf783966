// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"testing"
	"time"
)

// BenchmarkEncode is a decision to the bytes of its body.
func BenchmarkEncode(b *testing.B) {
	d := decision(1)
	var e encoder
	b.ReportAllocs()
	for b.Loop() {
		e.b = e.b[:0]
		check(b, e.body(d))
	}
	b.SetBytes(int64(len(e.b)))
}

// BenchmarkChain is a body to a line that is hashed and in the tree.
func BenchmarkChain(b *testing.B) {
	body, err := appendBody(nil, decision(1))
	check(b, err)
	mid, err := commonMembers("cd1245c5-2d1c-459e-8e71-6a71496554e8", Node{"node-1", "8b0b1c9e-6a3f-4d53-9f0c-0d8a4a1f0b4e"}, "cluster/8b0b1c9e-6a3f-4d53-9f0c-0d8a4a1f0b4e/a5b3c37ff556723c")
	check(b, err)
	a := appender{mid: mid}
	a.add(stamp{}, body)
	b.SetBytes(int64(len(a.buf)))
	b.ReportAllocs()
	for b.Loop() {
		a.buf = a.buf[:0]
		a.add(stamp{1_800_000_000_123_456_789, 3_600_000_000_000}, body)
	}
}

// BenchmarkFlushLatency is one denied decision to durable, alone.
func BenchmarkFlushLatency(b *testing.B) {
	ctx := context.Background()
	l, err := Open(ctx, b.TempDir(), Options{})
	check(b, err)
	d := decision(1)
	for b.Loop() {
		check(b, l.Append(d))
		check(b, l.Flush(ctx))
	}
	check(b, l.Close(ctx))
}

// BenchmarkVerify is the whole verification, per record.
func BenchmarkVerify(b *testing.B) {
	ctx, dir := context.Background(), b.TempDir()
	l, err := Open(ctx, dir, Options{})
	check(b, err)
	d := decision(1)
	d.Verdict = Allow
	const records = 200_000
	for range records {
		for errors.Is(l.Append(d), ErrQueueFull) {
			time.Sleep(time.Millisecond)
		}
		d.KSeq++
	}
	check(b, l.Close(ctx))
	var n uint64
	b.ReportAllocs()
	for b.Loop() {
		r, err := Verify(ctx, dir, VerifyOptions{Unanchored: true})
		check(b, err)
		if r.ExitCode() != ExitProven {
			b.Fatalf("%+v", r.Bad)
		}
		n += r.Records
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
