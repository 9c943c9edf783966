package loader

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// raw is a ring record as the kernel side writes it.
func raw(t testing.TB, h safeclawEvent, subject []byte) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, &h)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, subject...)
}

func name16(s string) (out [16]uint8) {
	copy(out[:], s)
	return out
}

// head is a header in which no two fields are equal.
func head() safeclawEvent {
	return safeclawEvent{
		Version: abiVersion, Kind: 1, Action: 1, Verdict: 2, Hook: uint8(safeclawHookHOOK_FILE_OPEN), Rule: 0x1234, Cpu: 7, Ret: -13,
		Seq: 99, Time: 1_000_000_001, Cgroup: 4711, TableId: 0xfedcba9876543210, Slot: 450, Tid: 11, Tgid: 10, Uid: 1000,
		StartTime: 2_000, ParentStartTime: 1_000, ParentTgid: 5, Gid: 1001, Exe: 0xeeee, Subject: 0x5555,
		Comm: name16("agent"), ParentComm: name16("a-name-16-bytes!"), Class: uint8(safeclawClassCLASS_MOUNT), Flags: 33, Requested: 0x8241,
	}
}

func wanted() *Event {
	e := &Event{
		Action: 1, Verdict: WouldDeny, Hook: "file_open", Rule: 0x1234, CPU: 7, Seq: 99, Time: 1_000_000_001, Errno: -13,
		Cgroup: 4711, TableID: 0xfedcba9876543210, Slot: 450, TID: 11, PID: 10, UID: 1000, GID: 1001, StartTime: 2 * time.Microsecond,
		Comm: "agent", ExeID: 0xeeee, SubjectID: 0x5555, Class: "mount", Requested: 0x8241, Late: true,
	}
	e.Parent.PID, e.Parent.StartTime, e.Parent.Comm = 5, time.Microsecond, "a-name-16-bytes!"
	return e
}

func address(class byte, ip string, proto byte, port uint16) []byte {
	a := netip.MustParseAddr(ip).As16()
	b := append([]byte{class}, a[:]...)
	return binary.BigEndian.AppendUint16(append(b, proto), port)
}

func TestDecodeEvent(t *testing.T) {
	const root, mounted = byte(safeclawClassCLASS_ROOT), byte(safeclawClassCLASS_MOUNT)
	for _, tt := range []struct {
		name    string
		set     func(*safeclawEvent)
		subject []byte
		want    func(*Event)
	}{
		{"path", nil, []byte("\x02/data/x"), func(e *Event) { e.Subject = []byte("/data/x") }},
		{"path with newline and no UTF-8", nil, []byte("\x02/a\n\xff\x00b"), func(e *Event) { e.Subject = []byte("/a\n\xff\x00b") }},
		{"class byte alone", func(h *safeclawEvent) { h.Class = uint8(safeclawClassCLASS_NO_PATH) }, []byte{3},
			func(e *Event) { e.Class = "no-path" }},
		{"none", func(h *safeclawEvent) { h.Class, h.Flags = uint8(safeclawClassCLASS_ANONYMOUS), 1 }, nil,
			func(e *Event) { e.Class, e.Late = "anonymous", false }},
		{"IPv4", func(h *safeclawEvent) { h.Action = kindAddr }, address(root, "::ffff:1.2.3.4", 6, 443), func(e *Event) {
			e.Action, e.Class, e.Protocol, e.Address = kindAddr, addrOwnNet, 6, netip.MustParseAddrPort("1.2.3.4:443")
		}},
		{"IPv6", func(h *safeclawEvent) { h.Action = kindAddr }, address(mounted, "2001:db8::1", 17, 53), func(e *Event) {
			e.Action, e.Class, e.Protocol, e.Address = kindAddr, addrHostNet, 17, netip.MustParseAddrPort("[2001:db8::1]:53")
		}},
		{"network without an address", func(h *safeclawEvent) { h.Action, h.Hook = kindAddr, 5 }, nil,
			func(e *Event) { e.Action, e.Hook = kindAddr, "socket_connect" }},
		{"unknown hook and class", func(h *safeclawEvent) { h.Hook, h.Class = 200, 200 }, nil,
			func(e *Event) { e.Hook, e.Class = "", "" }},
		{"longest", nil, append([]byte{2}, make([]byte, 4095)...), func(e *Event) { e.Subject = make([]byte, 4095) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, want := head(), wanted()
			if tt.set != nil {
				tt.set(&h)
			}
			tt.want(want)
			h.SubjectLen = uint16(len(tt.subject))
			// The ring rounds up to 8 bytes; what follows the subject is not its own.
			b := append(raw(t, h, tt.subject), "garbage"...)
			got, err := decodeEvent(b)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			// The event keeps no part of the reader's buffer.
			clear(b)
			if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
				t.Errorf("after the buffer's reuse (-want +got):\n%s", d)
			}
		})
	}
}

func TestDecodeEventRefuses(t *testing.T) {
	whole := raw(t, head(), nil)
	for n := range whole {
		if _, err := decodeEvent(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes were decoded", n, len(whole))
		}
	}
	h := head()
	h.SubjectLen = 5
	if _, err := decodeEvent(raw(t, h, []byte("\x01abc"))); err == nil {
		t.Error("a subject longer than the record was decoded")
	}
	h = head()
	h.Version++
	if _, err := decodeEvent(raw(t, h, nil)); err == nil {
		t.Error("another version was decoded")
	}
}

func FuzzDecodeEvent(f *testing.F) {
	h := head()
	h.SubjectLen = 8
	f.Add(raw(f, h, []byte("\x02/data/x")))
	h.Action, h.SubjectLen = kindAddr, addrSubject
	f.Add(raw(f, h, address(1, "::1", 6, 80)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEvent(b)
		if err != nil {
			if e != nil {
				t.Error("an event and an error")
			}
			return
		}
		if len(e.Subject) > len(b)-eventHeadLen || len(e.Comm) > 16 || len(e.Parent.Comm) > 16 {
			t.Errorf("more came out than went in: %+v", e)
		}
		if e.Seq != binary.LittleEndian.Uint64(b[16:]) {
			t.Errorf("sequence number %d", e.Seq)
		}
	})
}
