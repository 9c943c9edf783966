package loader

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func sockaddr(a netip.AddrPort) (unix.Sockaddr, int) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}, unix.AF_INET
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}, unix.AF_INET6
}

// socketTo is a socket of a kind, not connected. TCP does not wait.
func socketTo(kind string, a netip.AddrPort) (int, unix.Sockaddr, error) {
	sa, family := sockaddr(a)
	typ := unix.SOCK_DGRAM
	if kind == "tcp" {
		typ = unix.SOCK_STREAM | unix.SOCK_NONBLOCK
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
	return fd, sa, err
}

// netAct does what concerns addresses and names.
func (h *hammer) netAct(w []string) string {
	if w[0] == "send-on" { // FD: on what was connected
		fd, _ := strconv.Atoi(w[1])
		_, err := unix.Write(fd, []byte("x"))
		return end(err)
	}
	if w[0] == "resolve" || w[0] == "burst" { // SERVER NAME TYPE | SERVER NAME COUNT PORT
		to, err := netip.ParseAddrPort(w[1])
		if err != nil {
			return end(err)
		}
		n, _ := strconv.Atoi(w[3])
		if w[0] == "burst" {
			return burst(to, w[2], n, w[4])
		}
		addrs, err := resolve(to, w[2], uint16(n))
		if err != nil {
			return end(err)
		}
		return strings.Join(addrs, ",")
	}
	to, err := netip.ParseAddrPort(w[2])
	if err != nil {
		return end(err)
	}
	fd, sa, err := socketTo(w[1], to)
	if err != nil {
		return end(err)
	}
	switch w[0] {
	case "connected": // keeps it open
		if err := unix.Connect(fd, sa); err != nil && err != unix.EINPROGRESS {
			return end(err)
		}
		return strconv.Itoa(fd)
	case "send": // without a connection
		err = unix.Sendto(fd, []byte("x"), 0, sa)
	case "fastopen":
		err = unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, sa)
	default:
		err = unix.Connect(fd, sa)
	}
	unix.Close(fd)
	return end(err)
}

// resolve asks a server as a resolver does.
func resolve(server netip.AddrPort, name string, typ uint16) ([]string, error) {
	fd, sa, err := socketTo("udp", server)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, sa); err != nil {
		return nil, err
	}
	if _, err := unix.Write(fd, dnsMessage(0x0100, 0, 0, name, typ)); err != nil {
		return nil, err
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return nil, err
	}
	// The answers of these tests end with 4 or 16 bytes of address.
	if buf[7] == 0 {
		return []string{"none"}, nil
	}
	size := 4
	if typ == typeAAAA {
		size = 16
	}
	a, _ := netip.AddrFromSlice(buf[n-size : n])
	return []string{a.String()}, nil
}

// burst resolves names that were never asked for and connects at once to what
// came, n times.
func burst(server netip.AddrPort, suffix string, n int, port string) string {
	ok, denied := 0, 0
	for i := range n {
		addrs, err := resolve(server, fmt.Sprintf("n%d.%s", i, suffix), typeA)
		if err != nil {
			return end(err)
		}
		fd, sa, err := socketTo("tcp", netip.MustParseAddrPort(addrs[0]+":"+port))
		if err != nil {
			return end(err)
		}
		if err := unix.Connect(fd, sa); err == unix.EACCES || err == unix.EPERM {
			denied++
		} else {
			ok++
		}
		unix.Close(fd)
	}
	return fmt.Sprintf("ok %d denied %d", ok, denied)
}
