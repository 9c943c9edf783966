package escapes

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// netActs are the rows of connections and datagrams to addresses.
var netActs = []escape{
	{id: "N1a", technique: "TCP fast open: connects and sends in one call", do: func() error {
		return fastOpen(unix.IPPROTO_TCP)
	}, rules: netRules, hook: "socket_sendmsg", action: "addr", rule: "default"},
	{id: "N1b", technique: "fast open of MPTCP", do: func() error { return fastOpen(unix.IPPROTO_MPTCP) },
		rules: netRules, hook: "socket_sendmsg", action: "addr", rule: "default", lacks: noFastMPTCP},
	{id: "N1c", technique: "fast open through io_uring", do: func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return prepare(err)
		}
		err = uringSend(fd, elsewhere, 443, unix.MSG_FASTOPEN)
		if errors.Is(err, unix.EINPROGRESS) { // under way
			return nil
		}
		return err
	}, rules: netRules + "builtin: {io_uring: allow}\n", hook: "socket_sendmsg", action: "addr", rule: "default"},

	{id: "N2a", technique: "UDP without a connection", do: func() error { return sends(foreign, 5300, query("x.example")) },
		rules: netRules, hook: "socket_sendmsg", action: "addr", rule: "default"},
	{id: "N2b", technique: "UDP by sendmmsg, the second message to another address", do: func() error {
		fd, err := datagrams()
		if err != nil {
			return err
		}
		if n, err := sendMany(fd, []string{nodeAddr, foreign}, 5300); n != 2 {
			return err
		}
		return answered(fd)
	}, rules: netRules + "  - {id: node, action: network.request, cidr: " + nodeAddr + "/32, decision: allow}\n",
		hook: "socket_sendmsg", action: "addr", rule: "default"},

	{id: "N5a", technique: "a unix datagram to a socket of others", setup: unixSocket(unix.SOCK_DGRAM), do: func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return prepare(err)
		}
		return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: root + "/look/socket"})
	}, hook: "unix_may_send", action: "write", subject: "look/socket", rule: "default"},
	{id: "N6a", technique: "a connection to a unix socket of others", setup: unixSocket(unix.SOCK_STREAM), do: func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return prepare(err)
		}
		return unix.Connect(fd, &unix.SockaddrUnix{Name: root + "/look/socket"})
	}, hook: "unix_stream_connect", action: "write", subject: "look/socket", rule: "default"},

	{id: "N7a", technique: "UDP through io_uring", do: func() error {
		fd, err := datagrams()
		if err != nil {
			return err
		}
		return uringSend(fd, foreign, 5300, 0)
	}, rules: netRules + "builtin: {io_uring: allow}\n", hook: "socket_sendmsg", action: "addr", rule: "default"},
	{id: "N7b", technique: "a connection through io_uring", do: func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return prepare(err)
		}
		name := rawAddress(elsewhere, 443)
		return uring(uringEntry{op: opConnect, fd: int32(fd), addr: uint64(uintptr(unsafe.Pointer(&name))), off: uint64(len(name))}, 0)
	}, rules: netRules + "builtin: {io_uring: allow}\n", hook: "socket_connect", action: "addr", rule: "default"},

	{id: "N11", technique: "TCP_FASTOPEN_CONNECT, then connect", do: func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1)
		}
		if err != nil {
			return prepare(err)
		}
		if err := unix.Connect(fd, at(elsewhere, 443)); err != nil {
			return err
		}
		return echoed(fd)
	}, rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "N12", technique: "let the outside come in", reason: "the language has no verb for what comes in: that is NetworkPolicy's (`policy networkpolicy`)"},
	{id: "N13b", technique: "a datagram socket from outside, connected to a name server", hand: func() (int, error) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		return fd, unix.Connect(fd, at(resolver, 53))
	}, do: func() error {
		fd, err := received()
		if err != nil {
			return prepare(err)
		}
		_, err = unix.Write(fd, query("x.example"))
		return err
	}, rules: netRules, hook: "socket_sendmsg", action: "addr", rule: "builtin/resolver"},
	{id: "N14", technique: "a connection that is older than the policy",
		reason: "a connection is judged when it is made; the record of what was armed late says so, and `connections: cut` ends them"},
	{id: "N15", technique: "a datagram socket disconnected by AF_UNSPEC, then sendto", do: func() error {
		fd, err := datagrams()
		if err == nil {
			err = unix.Connect(fd, at(nodeAddr, 5300))
		}
		if err != nil {
			return prepare(err)
		}
		var none unix.RawSockaddrInet4
		if _, _, no := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none)); no != 0 {
			return prepare(no)
		}
		if err := unix.Sendto(fd, query("x.example"), 0, at(foreign, 5300)); err != nil {
			return err
		}
		return answered(fd)
	}, rules: netRules + "  - {id: node, action: network.request, cidr: " + nodeAddr + "/32, decision: allow}\n",
		hook: "socket_sendmsg", action: "addr", rule: "default"},
	{id: "N16", technique: "an IPv4 address written as an IPv6 one", do: func() error { return stream("::ffff:"+elsewhere, 443) },
		rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "N17", technique: "an address that another thread rewrites", do: rewritten, rules: netRules + "  - {id: node, action: network.request, cidr: " + nodeAddr + "/32, decision: allow}\n",
		hook: "socket_connect", action: "addr", rule: "default"},
	{id: "N18", technique: "splice or sendfile into a socket", reason: "only into a connected one, which was judged when it connected"},
	{id: "N19a", technique: "the cloud's metadata address, under a rule for every address", do: func() error { return stream(metadata, 443) },
		rules: rules + "  - {id: web, action: network.request, port: 443, decision: allow}\n", hook: "socket_connect", action: "addr", rule: "builtin/metadata"},
	{id: "N19b", technique: "the node's loopback, with the node's network", do: func() error { return stream("127.0.0.1", 443) },
		rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
}

func fastOpen(protocol int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return prepare(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, []byte("hello"), unix.MSG_FASTOPEN, at(elsewhere, 443)); err != nil {
		return err
	}
	b := make([]byte, 8)
	_, err = unix.Read(fd, b)
	return prepare(err)
}

func noFastMPTCP() string {
	if !hasHook("mptcp_add_subflow") {
		return "MPTCP without the hook mptcp_add_subflow is denied at all, see N10b"
	}
	return ""
}

// rawAddress is a struct sockaddr_in.
func rawAddress(to string, port int) [16]byte {
	a := at(to, port).(*unix.SockaddrInet4)
	b := [16]byte{0: unix.AF_INET, 2: byte(port >> 8), 3: byte(port)}
	copy(b[4:], a.Addr[:])
	return b
}

const (
	opSendmsg = 9
	opConnect = 16
)

// uringSend has a ring send a datagram, or open a connection fast.
func uringSend(fd int, to string, port, flags int) error {
	name, data := rawAddress(to, port), []byte("hello")
	iov := unix.Iovec{Base: &data[0], Len: uint64(len(data))}
	msg := unix.Msghdr{Name: &name[0], Namelen: uint32(len(name)), Iov: &iov, Iovlen: 1}
	return uring(uringEntry{op: opSendmsg, fd: int32(fd), addr: uint64(uintptr(unsafe.Pointer(&msg))), length: 1, opFlag: uint32(flags)}, 0)
}

// sendMany sends a query to each address in one call, and returns how many it sent.
func sendMany(fd int, to []string, port int) (int, error) {
	type message struct {
		hdr unix.Msghdr
		n   uint32
		_   uint32
	}
	names, msgs := make([][16]byte, len(to)), make([]message, len(to))
	data := query("x.example")
	iov := unix.Iovec{Base: &data[0], Len: uint64(len(data))}
	for i, t := range to {
		names[i] = rawAddress(t, port)
		msgs[i].hdr = unix.Msghdr{Name: &names[i][0], Namelen: 16, Iov: &iov, Iovlen: 1}
	}
	n, _, no := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), 0, 0, 0)
	if no != 0 {
		return 0, no
	}
	if int(n) < len(to) { // the kernel tells of the error at the next call
		n2, _, no := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[n])), uintptr(len(msgs)-int(n)), 0, 0, 0)
		if no != 0 {
			return int(n), no
		}
		n += n2
	}
	return int(n), nil
}

// unixSocket has this process own a socket in look, which acts may not write.
func unixSocket(kind int) func() error {
	return func() error {
		fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		// It stays open: acts come later.
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: root + "/look/socket"}); err != nil || kind != unix.SOCK_STREAM {
			return err
		}
		return unix.Listen(fd, 8)
	}
}

// rewritten connects while another thread changes the address between one that
// is allowed and one that is not, until the latter is reached.
func rewritten() error {
	name := rawAddress(nodeAddr, 443)
	good, bad := rawAddress(nodeAddr, 443), rawAddress(elsewhere, 443)
	stop := make(chan bool)
	defer close(stop)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if i%2 == 0 {
				copy(name[4:], bad[4:8])
			} else {
				copy(name[4:], good[4:8])
			}
		}
	}()
	denied := false
	for range 400 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return prepare(err)
		}
		_, _, no := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&name)), 16)
		if no == unix.EACCES {
			denied = true
		} else if no != 0 {
			return prepare(no)
		} else if peer, err := unix.Getpeername(fd); err == nil && peer.(*unix.SockaddrInet4).Addr == [4]byte(bad[4:8]) {
			return nil
		}
		unix.Close(fd)
	}
	if denied {
		return unix.EACCES
	}
	return prepare(errors.New("the address was never read between two writes"))
}
