// SPDX-License-Identifier: MIT

// Package transparency does ordinary work under a policy that allows
// everything: a build, a repository, packages, a language's own test suite,
// load on every system call of files. Gated it ends, and says, what it does
// without node-agent.
package transparency

import (
	"os"
	"strings"
	"testing"
)

// Counted, since the subject is the programs, not the log: it names each kind
// of decision once in an interval and still has them all in its sums.
const everything = `version: 1
defaultAction: allow
audit: {allow: count}
builtin: {raw_sockets: allow, packet_sockets: allow, vsock: allow, af_alg: allow, netlink: allow, sctp: allow}
`

// families are what the policy relaxes, and the operator lets it. Kinds of
// sockets that nothing relaxes are asked for as well, by who goes on without.
var families = []string{"raw_sockets", "packet_sockets", "vsock", "af_alg", "netlink", "sctp"}

// always is what runs on every commit, more what is added where SAFECLAW_LONG
// is set: scripts in work, with their argument.
var (
	always = append([]string{"build", "git", "npm", "sqlite", "archives", "metadata", "files", "python:test_posix"},
		stress("chdir chmod chown dentry dir exec fallocate fcntl open rename sendfile splice utime vfork xattr")...)
	more = append([]string{"python:test_os", "python:test_shutil", "python:test_subprocess", "python:test_mmap", "python:test_fcntl",
		"python:test_tempfile", "python:test_pathlib", "python:test_glob", "python:test_mailbox", "python:test_tarfile", "python:test_fileio",
		"python:test_pty", "python:test_epoll", "python:test_filecmp", "python:test_largefile", "python:test_socket"},
		stress("access dirdeep dirmany dnotify dup eventfd fault fiemap file-ioctl filename flock fork fstat getdent handle hdd io lease locka "+
			"lockf lockofd mknod msync null pipe poll readahead seek sigq sock sockfd sockpair sync-file tee touch udp vm-splice zero")...)
)

func stress(kinds string) []string {
	works := strings.Fields(kinds)
	for i, w := range works {
		works[i] = "stress:" + w
	}
	return works
}

func TestTransparency(t *testing.T) {
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: runs programs gated")
	}
	works := always
	if os.Getenv("SAFECLAW_LONG") != "" {
		works = append(works, more...)
	}
	// A choice of them: VM_PKGS=./test/transparency VM_ENV=WORKS=git,npm test/vm/run 6.12
	if w := os.Getenv("WORKS"); w != "" {
		works = strings.Split(w, ",")
	}
	plain := newPlace(t, "ungated")
	plain.ungated(works)
	gated := newPlace(t, "gated")
	gated.gated(works)
	for _, w := range works {
		t.Run(w, func(t *testing.T) {
			p, g := plain.outcome(t, w), gated.outcome(t, w)
			t.Logf("%s: %d ms ungated, %d ms gated", w, p.ms, g.ms)
			if p.status != 0 {
				t.Errorf("ungated: status %d\n%s", p.status, p.said)
			}
			if p.status != g.status || p.said != g.said {
				t.Errorf("gated: status %d\n%s\nungated: status %d\n%s", g.status, g.said, p.status, p.said)
			}
		})
	}
	t.Run("log", func(t *testing.T) { zeroDenials(t, gated.log) })
}
