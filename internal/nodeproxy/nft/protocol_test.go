package nft

import "testing"

func TestProtocolsAreKnownByTheirNamesInKubernetes(t *testing.T) {
	for name, want := range map[string]Protocol{"TCP": TCP, "UDP": UDP, "SCTP": SCTP, "": TCP} {
		p, ok := ProtocolNamed(name)
		if !ok || p != want {
			t.Errorf("%q is %s", name, p)
		}
		if name != "" && p.Name() != name {
			t.Errorf("%q is called %q", name, p.Name())
		}
	}
	if p, ok := ProtocolNamed("ICMP"); ok {
		t.Errorf("ICMP is %s", p)
	}
	if name := Protocol(1).Name(); name != "" {
		t.Errorf("number 1 is called %q", name)
	}
}
