// SPDX-License-Identifier: MIT

// Package network has real clients resolve and connect, gated and ungated, in a
// network like a pod's: name servers and hosts are on the node, the pod is a
// network namespace of its own, its resolver is reached by an address that the
// node rewrites. Servers and clients are Debian's, from the disk that the
// program beside this makes.
package network

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/authensor/safeclaw-node-agent/test/gated"
)

// insideEnv is set in the process that runs the tests, in the pod's network namespace.
const insideEnv = "NETWORK_INSIDE"

var suite gated.Suite

func TestMain(m *testing.M) {
	flag.Parse()
	listing := flag.Lookup("test.list").Value.String() != ""
	var code int
	var err error
	switch {
	case os.Getenv("SAFECLAW_GUEST") != "1" || listing || flag.NArg() > 0: // with arguments it is a part of a run, see gated.Suite
		os.Exit(suite.Main(m))
	case os.Getenv(insideEnv) != "":
		// Nothing is written there: it ends when the network is complete.
		ready := os.NewFile(3, "ready")
		if _, err = ready.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			err = ready.Close()
			code = suite.Main(m)
		}
	default:
		code, err = outside()
	}
	if err != nil {
		fmt.Println("FAIL: the network:", err)
		code = 1
	}
	os.Exit(code)
}

// outside makes the network, serves in it, and runs the tests in the pod's.
func outside() (code int, err error) {
	w, err := newWorld()
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	ready, wr, err := os.Pipe()
	if err != nil {
		return 1, err
	}
	inside := exec.Command("/proc/self/exe", os.Args[1:]...)
	inside.Env = append(os.Environ(), insideEnv+"=1")
	inside.Stdout, inside.Stderr = os.Stdout, os.Stderr
	inside.ExtraFiles = []*os.File{ready}
	inside.SysProcAttr = newNetwork()
	if err := inside.Start(); err != nil {
		return 1, err
	}
	if err := errors.Join(w.connect(inside.Process.Pid), w.serve(), wr.Close()); err != nil {
		return 1, errors.Join(err, inside.Process.Kill(), inside.Wait())
	}
	var status *exec.ExitError
	if err := inside.Wait(); err != nil && !errors.As(err, &status) {
		return 1, err
	}
	return inside.ProcessState.ExitCode(), nil
}
