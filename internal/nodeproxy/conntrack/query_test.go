package conntrack

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestListsAreAskedForSoThatLittleIsRead(t *testing.T) {
	const inet, inet6 = unix.AF_INET, unix.AF_INET6
	const few, lots = 100, 1000000 // entries
	both := []netip.Addr{at("192.0.2.1:0").Addr(), at("192.0.2.2:0").Addr(), at("[2001:db8::1]:0").Addr()}
	var many []Flow
	for port := range uint16(fewLists + 1) {
		many = append(many, Flow{Protocol: UDP, Addresses: both[:1], Port: 1 + port})
	}
	sctp := frontOver(SCTP, "[fd00::1]:53")
	for _, c := range []struct {
		name    string
		flows   []Flow
		entries int
		want    []query
	}{
		{"nothing", nil, lots, nil},
		{"a port", []Flow{frontFlow("10.96.0.1:53")}, lots, []query{{inet, UDP, 53}}},
		{"a port, where there are few entries", []Flow{frontFlow("10.96.0.1:53")}, few, []query{{inet, UDP, 53}}},
		{"a port of IPv6", []Flow{frontFlow("[fd00::1]:53")}, lots, []query{{inet6, UDP, 53}}},
		{"a port of IPv4 that is written as IPv6", []Flow{frontFlow("[::ffff:10.96.0.1]:53")}, lots, []query{{inet, UDP, 53}}},
		{"a node port", []Flow{{Protocol: UDP, Addresses: both, Port: 30053}}, lots, []query{{inet, UDP, 30053}, {inet6, UDP, 30053}}},
		{"a node port, where there are few entries", []Flow{{Protocol: UDP, Addresses: both, Port: 30053}}, few, []query{{}}},
		{"a node port, where there are as many entries as two lists are worth", []Flow{{Protocol: UDP, Addresses: both, Port: 30053}}, worthOfAList + 1, []query{{inet, UDP, 30053}, {inet6, UDP, 30053}}},
		{"a node port of a node without addresses", []Flow{{Protocol: UDP, Port: 30053}}, lots, nil},
		{"a port that several have, and another", []Flow{frontFlow("10.96.0.1:54"), frontFlow("10.96.0.2:53"), frontFlow("10.96.0.3:53")}, lots, []query{{inet, UDP, 53}, {inet, UDP, 54}}},
		{"as many ports as are asked for", many[1:], lots, []query{{inet, UDP, 2}, {inet, UDP, 3}, {inet, UDP, 4}, {inet, UDP, 5}, {inet, UDP, 6}, {inet, UDP, 7}, {inet, UDP, 8}, {inet, UDP, 9}}},
		{"more ports than that", many, lots, []query{{inet, UDP, 0}}},
		{"SCTP, whose ports the kernel does not look at", []Flow{sctp}, lots, []query{{inet6, SCTP, 0}}},
		{"TCP", []Flow{frontOver(tcp, "10.96.0.1:53")}, lots, nil},
		{"several protocols", []Flow{sctp, frontFlow("[fd00::1]:53")}, lots, []query{{inet6, UDP, 53}, {inet6, SCTP, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, queries(c.flows, c.entries), cmp.AllowUnexported(query{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
