// Package image looks at the files of an unpacked container image the way the
// container would: links stay within it. It finds what a path really names,
// which binaries are many programs in one, and what an entry point starts.
package image
