package cluster

import "testing"

func TestPodAddressesTakeTurns(t *testing.T) {
	ips, err := newPodIPs("10.244.7.0/24")
	if err != nil {
		t.Fatal(err)
	}
	first, err := ips.take()
	if err != nil || first.String() != "10.244.7.2" {
		t.Fatalf("first address is %s, error %v", first, err)
	}
	ips.giveBack(first)
	for i := range 252 {
		if ip, err := ips.take(); err != nil || ip == first {
			t.Fatalf("address %d after the first is %s, error %v", i+1, ip, err)
		}
	}
	if again, err := ips.take(); err != nil || again != first {
		t.Fatalf("the last address is %s, error %v, want %s", again, err, first)
	}
	if ip, err := ips.take(); err == nil {
		t.Fatalf("a 254th address: %s", ip)
	}
}
