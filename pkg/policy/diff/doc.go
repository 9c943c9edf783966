// Package diff says how two policies differ in what they mean: not in their
// text, but in what they allow, deny and record.
package diff
