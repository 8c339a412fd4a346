package route

import (
	"net"
	"net/netip"
	"testing"

	netutils "k8s.io/utils/net"
)

// Kubernetes reads addresses of objects with ParseIPSloppy and ParseCIDRSloppy: what they read we read, and the same.
func FuzzAddressesAreReadAsKubernetesReadsThem(f *testing.F) {
	for _, seed := range []string{"10.0.0.1", "010.000.0.1", "10.0.0.08", "2001:db8::1", "::ffff:10.0.0.1", "::ffff:010.0.0.1", "fe80::1%eth0",
		"", "10.0.0", "10.0.0.256", "10.0.0.0/8", "10.1.2.3/08", "010.0.0.0/8", "0.0.0.0/0", "00.0.0.0/00", "::/0", "::ffff:10.0.0.0/104",
		"::ffff:10.0.0.0/64", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "fe80::%eth0/64"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, _ := netip.AddrFromSlice(netutils.ParseIPSloppy(text))
		if got, ok := parseAddr(text); want.IsValid() && (!ok || got != want.Unmap()) {
			t.Errorf("address %q: got %s, %t; Kubernetes reads %s", text, got, ok, want)
		} else if ok && got.Is4In6() {
			t.Errorf("address %q: got %s", text, got)
		}
		_, network, err := netutils.ParseCIDRSloppy(text)
		got, ok := parsePrefix(text)
		if err == nil && (!ok || got != prefixOf(network)) {
			t.Errorf("prefix %q: got %s, %t; Kubernetes reads %s", text, got, ok, network)
		}
		if ok && (!got.IsValid() || got != got.Masked()) {
			t.Errorf("prefix %q: got %s", text, got)
		}
	})
}

// prefixOf is a network, as IPv4 where it is that in IPv6.
func prefixOf(network *net.IPNet) netip.Prefix {
	address, _ := netip.AddrFromSlice(network.IP)
	ones, bits := network.Mask.Size()
	if address.Is4In6() && ones >= 96 {
		return netip.PrefixFrom(address.Unmap(), ones-96)
	}
	if bits == 128 {
		return netip.PrefixFrom(address, ones)
	}
	return netip.PrefixFrom(address.Unmap(), ones)
}
