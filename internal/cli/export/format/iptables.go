package format

import (
	"slices"
	"strings"
)

// listLength is how many addresses are in one option: iptables-restore takes lines of 10,000 characters.
const listLength = 100

// writeIPTables writes one file for both families: each of the two programs passes over lines of the other's. PORTOLAN has a
// chain of ports for each kind of opening; without them there would be a rule for each address, source and port.
func writeIPTables(w *writer) {
	w.head("#")
	w.f("# iptables-restore --noflush THIS-FILE; ip6tables-restore --noflush THIS-FILE\n")
	w.f("# In a chain that sees packets to the nodes: -j PORTOLAN\n")
	w.shut("")
	all := openings(w.inv)
	w.f("*filter\n:PORTOLAN - [0:0]\n")
	for i := range all {
		w.f(":PORTOLAN-%d - [0:0]\n", i+1)
	}
	for i, o := range all {
		w.ipt(i+1, o)
	}
	w.f("COMMIT\n")
}

func (w *writer) ipt(chain int, o *opening) {
	family := "-4"
	if o.Addresses[0].Is6() {
		family = "-6"
	}
	w.f("# to %s\n", w.nodesAt(o.Addresses))
	for to := range slices.Chunk(texts(o.Addresses), listLength) {
		if o.Open() {
			w.f("-A PORTOLAN %s -d %s -j PORTOLAN-%d\n", family, strings.Join(to, ","), chain)
			continue
		}
		for from := range slices.Chunk(texts(o.From), listLength) {
			w.f("-A PORTOLAN %s -s %s -d %s -j PORTOLAN-%d\n", family, strings.Join(from, ","), strings.Join(to, ","), chain)
		}
	}
	for _, n := range o.numbers {
		w.f("-A PORTOLAN-%d %s -p %s -m %s --dport %d -m comment --comment %q -j ACCEPT\n",
			chain, family, n.keyword(), n.keyword(), n.number, shortened(n.origin))
	}
}

// shortened is a comment as iptables takes it: of at most 255 characters.
func shortened(comment string) string { return comment[:min(len(comment), 255)] }
