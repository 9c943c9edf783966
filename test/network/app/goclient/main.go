// Command goclient is a client in Go with Go's own resolver and no C library:
//
//	goclient lookup NAME...   for each a line with its addresses, or the error
//	goclient get URL...       for each what is there, or the error
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {
	ways := map[string]func(string) (string, error){"lookup": lookup, "get": get}
	for _, what := range os.Args[2:] {
		said, err := ways[os.Args[1]](what)
		if err != nil {
			said = "error: " + err.Error()
		}
		fmt.Printf("%s: %s\n", what, said)
	}
}

func lookup(name string) (string, error) {
	r := net.Resolver{PreferGo: true}
	addrs, err := r.LookupHost(context.Background(), name)
	return strings.Join(addrs, " "), err
}

func get(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(b)), err
}
