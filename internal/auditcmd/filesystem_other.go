//go:build !linux

package auditcmd

func fileSystem(string) string { return "a file system" }
