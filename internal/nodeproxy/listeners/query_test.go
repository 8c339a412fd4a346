package listeners

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// passes says whether the bytecode lets a socket through, as the kernel's inet_diag_bc_run does.
func passes(code []byte, port uint16) bool {
	length := len(code)
	for at := 0; length > 0; {
		yes := code[at] == portAtLeast && port >= netlink.Host.Uint16(code[at+6:]) ||
			code[at] == portAtMost && port <= netlink.Host.Uint16(code[at+6:])
		step := int(netlink.Host.Uint16(code[at+2:]))
		if yes {
			step = int(code[at+1])
		}
		at, length = at+step, length-step
	}
	return length == 0
}

func TestTheBytecodeLetsThePortsOfTheRangeThrough(t *testing.T) {
	code := query{from: 30000, to: 32767}.bytecode()
	for port, want := range map[uint16]bool{0: false, 29999: false, 30000: true, 31000: true, 32767: true, 32768: false, 65535: false} {
		if got := passes(code, port); got != want {
			t.Errorf("%d: %t, want %t", port, got, want)
		}
	}
}

func FuzzAnAnswerIsReadOrRefused(f *testing.F) {
	f.Add(make([]byte, answerSize))
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := parse(body, TCP)
		if err == nil && !l.Address.IsValid() || err != nil && !errors.Is(err, netlink.ErrMalformed) {
			t.Errorf("got %+v, error %v", l, err)
		}
	})
}

func TestAnAnswerIsRead(t *testing.T) {
	answer := func(family byte, address string) []byte {
		body := make([]byte, answerSize+8) // and what is not asked for
		body[familyAt] = family
		copy(body[addressAt:], netip.MustParseAddr(address).AsSlice())
		netlink.Network.PutUint16(body[portAt:], 30080)
		netlink.Host.PutUint32(body[inodeAt:], 7)
		return body
	}
	for _, c := range []struct {
		name     string
		body     []byte
		address  string
		loopback bool
	}{
		{"IPv4", answer(unix.AF_INET, "192.0.2.1"), "192.0.2.1", false},
		{"IPv6", answer(unix.AF_INET6, "2001:db8::1"), "2001:db8::1", false},
		{"IPv4 by IPv6", answer(unix.AF_INET6, "::ffff:127.0.0.1"), "127.0.0.1", true},
		{"all addresses", answer(unix.AF_INET6, "::"), "::", false},
		{"the loopback one", answer(unix.AF_INET6, "::1"), "::1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := Listener{Protocol: UDP, Address: netip.MustParseAddr(c.address), Port: 30080, Inode: 7}
			got, err := parse(c.body, UDP)
			if err != nil || got != want || got.Loopback() != c.loopback {
				t.Errorf("got %+v, loopback %t, error %v", got, got.Loopback(), err)
			}
		})
	}
}
