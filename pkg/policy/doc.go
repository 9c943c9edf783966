// Package policy turns a SafeClaw policy, a YAML file, into the tables that
// the kernel walks, and answers questions about it without a kernel.
//
// The way through the package is Parse (strict YAML to *Policy), Compile
// (*Policy to *Tables, format: docs/format/policy.md) and
// Tables.Match, which runs the tables exactly as the BPF matcher does.
// Evaluate is a second, naive implementation of the language; the two agree,
// which is what the property test of this package is about.
//
// The package does no I/O, knows no kernel and no cluster, and imports
// nothing else of this module.
package policy
