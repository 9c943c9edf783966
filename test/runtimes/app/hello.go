// SPDX-License-Identifier: MIT

// Command hello is what most Go programs load, and a little use of each. It is built without cgo, so static, and with it: then the
// resolver and the user database are the C library's.
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/user"
	"sync"
	"time"
)

func main() {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { time.Sleep(time.Millisecond) })
	}
	wg.Wait()
	pool, err := x509.SystemCertPool()
	check(err)
	u, err := user.Current()
	check(err)
	addrs, err := net.LookupHost("127.0.0.1")
	check(err)
	_, err = rand.Read(make([]byte, 8))
	check(err)
	fmt.Printf("go: %x %v %v %v %v\n", sha256.Sum256([]byte("x")), !pool.Equal(x509.NewCertPool()), u.Uid != "", addrs, time.Now().Location())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}
