package network

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// rewrite has a program on the pod's cgroup lead what is sent to one address to
// another, and show it coming from there, as network plugins do without
// kube-proxy. It is attached before or after ours: what it changes is not the
// address that was asked for.
func (p *pod) rewrite(t *testing.T, service, endpoint string) {
	t.Helper()
	number := func(a string) int32 {
		b := netip.MustParseAddr(a).As4()
		return int32(binary.LittleEndian.Uint32(b[:]))
	}
	const userIP4 = 4 // in struct bpf_sock_addr
	for _, at := range []struct {
		attach   ebpf.AttachType
		from, to string
	}{
		{ebpf.AttachCGroupInet4Connect, service, endpoint},
		{ebpf.AttachCGroupUDP4Sendmsg, service, endpoint},
		{ebpf.AttachCGroupUDP4Recvmsg, endpoint, service},
	} {
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.CGroupSockAddr, AttachType: at.attach, License: "GPL", Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, userIP4, asm.Word),
			asm.LoadImm(asm.R4, int64(uint32(number(at.from))), asm.DWord),
			asm.JNE.Reg(asm.R2, asm.R4, "out"),
			asm.Mov.Imm32(asm.R3, number(at.to)),
			asm.StoreMem(asm.R1, userIP4, asm.R3, asm.Word),
			asm.Mov.Imm(asm.R0, 1).WithSymbol("out"),
			asm.Return(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = prog.Close() })
		l, err := link.AttachCgroup(link.CgroupOptions{Path: p.dir, Attach: at.attach, Program: prog})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
}
