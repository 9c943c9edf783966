// SPDX-License-Identifier: MIT

// Command agent-go is the demo's third agent: Go's os.Create opens for reading
// and writing, and a static program has no interpreter. It reports as agent.py
// and agent.js do.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

type report struct {
	Attempt string `json:"attempt"`
	Result  string `json:"result"`
	Exe     string `json:"exe,omitempty"`
}

func main() {
	exe, err := os.Readlink("/proc/self/exe")
	if err == nil {
		err = setUp()
	}
	say("start", exe, err)
	question, err := os.ReadFile("/app/data/x")
	say("data", "", err)
	say("output", "", create("/app/output/x", bytes.ToUpper(question)))
	say("overwrite", "", create("/app/data/x", []byte("what the agent would like it to say\n")))
	_, err = os.ReadFile("/etc/shadow")
	say("shadow", "", err)
}

// setUp checks what docker-entrypoint.sh made before it became this program.
func setUp() error {
	var st syscall.Stat_t
	if err := syscall.Stat("/app/output/cache", &st); err != nil {
		return err
	}
	if st.Uid != 1000 || st.Gid != 1000 {
		return errors.New("/app/output/cache is not the app's")
	}
	return nil
}

func create(path string, b []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func say(attempt, exe string, err error) {
	r := report{attempt, "ok", exe}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		r.Result = unix.ErrnoName(errno)
	} else if err != nil {
		r.Result = err.Error()
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(b))
}
