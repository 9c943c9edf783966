// SPDX-License-Identifier: MIT

// Package audit is the node agent's audit log: one JSON object per line, every
// line chained to the one before it, groups of lines made durable together, and
// a verifier that says what a log proves and what it cannot.
//
// The format is docs/format/audit-log.md, which is normative; comments here
// cite its sections. In short:
//
//   - The leaf hash of a record is SHA-256(0x00 || line), over the exact bytes
//     of the line without its newline. It is the prev of the next record and a
//     leaf of an RFC 6962 Merkle tree at once.
//   - A line is durable when a commit record follows it. Commit records carry
//     the root of the tree and a CRC-32C of everything since the last commit.
//   - Only one kind of damage is repaired: bytes after the last commit record.
//     They are kept beside the segment, and the repair is itself a record.
//     Everything else is refused with a [CorruptionError].
//
// [Open] starts or continues a log, [Log.Append] queues a record without ever
// waiting for the disk, [Verify] reads a log of any size in constant memory and
// [Tail] prints one.
//
// This version of the log is neither signed nor anchored. Someone who can write
// the files can cut the log back to an earlier commit record, or rewrite it
// whole, and the result verifies; the report says so every time.
package audit
