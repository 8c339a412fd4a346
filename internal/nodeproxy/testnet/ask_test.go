package testnet

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 5 * time.Second

func TestAHostTellsWhoAsks(t *testing.T) {
	s := NewSite(t, 1)
	s.Pods[0].Serve(8080)
	s.Pods[0].ServeSCTP(8080)
	for _, network := range []string{"tcp", "udp", "sctp"} {
		for _, address := range []netip.Addr{s.Pods[0].IPv4, s.Pods[0].IPv6} {
			f, err := s.Client.Dial(t.Context(), network, netip.AddrPortFrom(address, 8080), patience)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var first netip.AddrPort
			for range 3 {
				echo, err := f.Ask(patience)
				if err != nil {
					t.Fatalf("%s to %s: %v", network, address, err)
				}
				if echo.Host != "pod0" || echo.Client.Addr() != s.Client.AddressLike(address) {
					t.Errorf("%s to %s: got %+v", network, address, echo)
				}
				if first.IsValid() && echo.Client != first {
					t.Errorf("%s to %s: the flow came from %s and then from %s", network, address, first, echo.Client)
				}
				first = echo.Client
			}
		}
	}
}

func TestAnAddressThatNobodyServesRefuses(t *testing.T) {
	s := NewSite(t, 1)
	for _, network := range []string{"tcp", "udp"} {
		for _, address := range []netip.Addr{s.Pods[0].IPv4, s.Pods[0].IPv6} {
			_, err := s.Client.Ask(t.Context(), network, netip.AddrPortFrom(address, 8080), patience)
			if !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("%s to %s: %v", network, address, err)
			}
		}
	}
}
