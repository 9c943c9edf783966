package escapes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// relaxedSockets opens every kind of socket that can be.
const relaxedSockets = rules + "builtin: {raw_sockets: allow, packet_sockets: allow, vsock: allow, af_alg: allow, netlink: allow, sctp: allow}\n"

// local lets connections to the node itself be made.
const local = rules + "  - {id: local, action: network.request, cidr: 127.0.0.1/32, decision: allow}\n"

// socketActs are the rows of families of sockets.
var socketActs = []escape{
	family("N3a", "a raw socket", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_UDP),
	{id: "N3b", technique: "a ping socket", setup: func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0)
	}, do: func() error { return socketOf(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP) },
		hook: "socket_create", action: "system", rule: "builtin/socket-family"},
	{id: "N3c", technique: "a raw socket, where it is relaxed", rules: relaxedSockets, do: func() error {
		return socketOf(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_UDP)
	}, hook: "socket_create", action: "system", rule: "builtin/socket-family", end: "ok"},
	family("N4a", "a packet socket", unix.AF_PACKET, unix.SOCK_RAW, 0),
	family("N4b", "AF_XDP", unix.AF_XDP, unix.SOCK_RAW, 0),
	family("N8a", "vsock", unix.AF_VSOCK, unix.SOCK_STREAM, 0),
	family("N8b", "netlink of the packet filter", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER),
	family("N8c", "AF_ALG", unix.AF_ALG, unix.SOCK_SEQPACKET, 0),
	family("N8d", "a family that no policy knows", unix.AF_KEY, unix.SOCK_RAW, 2),
	family("N8e", "DCCP", unix.AF_INET, unix.SOCK_DCCP, unix.IPPROTO_DCCP),
	{id: "N8f", technique: "UDP-Lite, which has UDP's ports", rules: local, do: func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDPLITE)
		if err != nil {
			return prepare(err)
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 5300, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return prepare(err)
		}
		return unix.Connect(fd, &unix.SockaddrInet4{Port: 5300, Addr: [4]byte{127, 0, 0, 2}})
	}, hook: "socket_connect", action: "addr", rule: "default", lacks: noUDPLite},
	family("N8g", "SMC, which falls back to TCP", 43, unix.SOCK_STREAM, 0),
	{id: "N8h", technique: "generic netlink, where it is relaxed", rules: rules + "builtin: {netlink: allow}\n", do: func() error {
		return socketOf(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_GENERIC)
	}, hook: "socket_create", action: "system", rule: "builtin/socket-family", end: "ok"},
	family("N9a", "SCTP", unix.AF_INET, unix.SOCK_SEQPACKET, unix.IPPROTO_SCTP),
	family("N9b", "SCTP as a stream", unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_SCTP),
	{id: "N13a", technique: "a raw socket from outside", hand: func() (int, error) {
		return unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	}, do: func() error {
		fd, err := received()
		if err != nil {
			return prepare(err)
		}
		return unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}, rules: local, hook: "socket_connect", action: "addr", rule: "builtin/socket-family"},
	{id: "N10a", technique: "an address that MPTCP's peer announces", rules: local, setup: announce, do: joined,
		hook: "mptcp_add_subflow", action: "system", rule: "builtin/socket-family", lacks: noSubflowHook},
	{id: "N10b", technique: "MPTCP where nothing sees the addresses that it adds", do: func() error {
		return socketOf(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
	}, hook: "socket_create", action: "system", rule: "builtin/socket-family", lacks: func() string {
		if hasHook("mptcp_add_subflow") {
			return "nothing: it sees them"
		}
		return ""
	}},
}

func family(id, technique string, family, kind, protocol int) escape {
	return escape{id: id, technique: technique, do: func() error { return socketOf(family, kind, protocol) },
		hook: "socket_create", action: "system", rule: "builtin/socket-family"}
}

func socketOf(family, kind, protocol int) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err == nil {
		unix.Close(fd)
	}
	return lookedFor(err)
}

// lookedFor is nil where the kernel looked for the family, and has no module for it here.
func lookedFor(err error) error {
	for _, no := range []error{unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.ESOCKTNOSUPPORT} {
		if errors.Is(err, no) {
			return nil
		}
	}
	return err
}

func noUDPLite() string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDPLITE)
	if err != nil {
		return "UDP-Lite"
	}
	unix.Close(fd)
	return ""
}

func noSubflowHook() string {
	if !hasHook("mptcp_add_subflow") {
		return "hook mptcp_add_subflow: MPTCP is denied there, see N10b"
	}
	return ""
}

// announce has this network namespace's connections of MPTCP announce a further address, and use what is announced.
func announce() error {
	const (
		setLimits, addAddress = 5, 1
		nested                = 1 << 15
		signal                = 1
	)
	u32 := func(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	answer, err := ask(fd, unix.GENL_ID_CTRL, unix.CTRL_CMD_GETFAMILY, attribute(unix.CTRL_ATTR_FAMILY_NAME, []byte("mptcp_pm\x00")))
	if err != nil {
		return fmt.Errorf("find the path manager of MPTCP: %w", err)
	}
	id, ok := find(answer, unix.CTRL_ATTR_FAMILY_ID)
	if !ok {
		return errors.New("the path manager of MPTCP has no number")
	}
	pm := binary.LittleEndian.Uint16(id)
	if _, err := ask(fd, pm, setLimits, append(attribute(2, u32(8)), attribute(3, u32(8))...)); err != nil {
		return fmt.Errorf("limits of MPTCP: %w", err)
	}
	address := attribute(1, []byte{unix.AF_INET, 0})
	address = append(address, attribute(3, []byte{127, 0, 0, 2})...)
	address = append(address, attribute(6, u32(signal))...)
	if _, err := ask(fd, pm, addAddress, attribute(1|nested, address)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("address of MPTCP: %w", err)
	}
	return nil
}

func attribute(kind uint16, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.LittleEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

// find is the value of an attribute.
func find(b []byte, kind uint16) ([]byte, bool) {
	for len(b) >= 4 {
		n := int(binary.LittleEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return nil, false
		}
		if binary.LittleEndian.Uint16(b[2:]) == kind {
			return b[4:n], true
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil, false
}

// ask sends a generic netlink message and returns the attributes of its answer.
func ask(fd int, family uint16, command uint8, attributes []byte) ([]byte, error) {
	b := binary.LittleEndian.AppendUint32(nil, uint32(20+len(attributes)))
	b = binary.LittleEndian.AppendUint16(b, family)
	b = binary.LittleEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = append(b, 1, 0, 0, 0, 0, 0, 0, 0, command, 1, 0, 0)
	if err := unix.Sendto(fd, append(b, attributes...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var said []byte
	for {
		in := make([]byte, 8192)
		n, _, err := unix.Recvfrom(fd, in, 0)
		if err != nil {
			return nil, err
		}
		for in = in[:n]; len(in) >= 20; {
			length := int(binary.LittleEndian.Uint32(in))
			if length < 20 || length > len(in) {
				return nil, fmt.Errorf("an answer of %d bytes", length)
			}
			if binary.LittleEndian.Uint16(in[4:]) == unix.NLMSG_ERROR {
				return said, errno(unix.Errno(-int32(binary.LittleEndian.Uint32(in[16:]))))
			}
			said = append(said, in[20:length]...)
			in = in[min((length+3)&^3, len(in)):]
		}
	}
}

// joined makes a connection of MPTCP and wants it to grow by a subflow.
func joined() error {
	server, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err = errors.Join(err, unix.Listen(server, 8)); err != nil {
		return prepare(err)
	}
	name, err := unix.Getsockname(server)
	if err != nil {
		return prepare(err)
	}
	client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		return prepare(err)
	}
	to := &unix.SockaddrInet4{Port: name.(*unix.SockaddrInet4).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Connect(client, to); err != nil {
		return prepare(err)
	}
	peer, _, err := unix.Accept(server)
	if err != nil {
		return prepare(err)
	}
	// Both ends are sure of each other once data was acknowledged.
	for range 40 {
		b := make([]byte, 1)
		for _, way := range [][2]int{{client, peer}, {peer, client}} {
			if _, err := unix.Write(way[0], b); err != nil {
				return prepare(err)
			}
			if _, err := unix.Read(way[1], b); err != nil {
				return prepare(err)
			}
		}
		// struct mptcp_info of include/uapi/linux/mptcp.h begins with the further subflows, one byte.
		const solMPTCP, info = 284, 1
		var have [8]byte
		n := uint32(len(have))
		_, _, no := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(client), solMPTCP, info,
			uintptr(unsafe.Pointer(&have)), uintptr(unsafe.Pointer(&n)), 0)
		if no != 0 {
			return prepare(no)
		}
		if have[0] > 0 {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return unix.EACCES // nobody told the process
}
