package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// resolvConf is where the node says how it resolves names.
const resolvConf = "/etc/resolv.conf"

// NodeNetwork is how programs of this node resolve names: by the node's own
// resolv.conf, never by one inside of a container, which may come with its image.
// What is given replaces what the file says. Without the file and without
// resolvers no name is resolved.
func NodeNetwork(resolvers []netip.Addr, search []string) (loader.Network, error) {
	n := loader.Network{Resolvers: resolvers, Search: search}
	f, err := os.Open(resolvConf)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return n, fmt.Errorf("read the node's resolvers: %w", err)
	}
	defer f.Close()
	found, err := readResolvConf(f)
	if err != nil {
		return n, fmt.Errorf("read %s: %w", resolvConf, err)
	}
	if len(n.Resolvers) == 0 {
		n.Resolvers = found.Resolvers
	}
	if len(n.Search) == 0 {
		n.Search = found.Search
	}
	return n, nil
}

// readResolvConf reads what resolvers read of it: the last line with domains
// counts, and an address of the link loses its zone.
func readResolvConf(r io.Reader) (loader.Network, error) {
	var n loader.Network
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		w := strings.Fields(sc.Text())
		if len(w) < 2 {
			continue
		}
		switch w[0] {
		case "nameserver":
			a, err := netip.ParseAddr(w[1])
			if err != nil {
				continue // as resolvers do
			}
			if a = a.WithZone("").Unmap(); !slices.Contains(n.Resolvers, a) && len(n.Resolvers) < loader.MaxResolvers {
				n.Resolvers = append(n.Resolvers, a)
			}
		case "search", "domain":
			n.Search = w[1:]
		}
	}
	return n, sc.Err()
}

// ParseResolvers reads addresses of resolvers.
func ParseResolvers(texts []string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, t := range texts {
		a, err := netip.ParseAddr(t)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("resolver %q: write an address such as 10.96.0.10", t)
		}
		out = append(out, a.Unmap())
	}
	return out, nil
}

// gateNames has a cgroup's queries read, and says whom its tasks may ask. It
// comes before the cgroup is bound.
func gateNames(g *loader.Gate, dir string, id uint64, n loader.Network) error {
	if err := g.ReadNames(dir); err != nil {
		return err
	}
	return g.SetNetwork(id, n)
}
