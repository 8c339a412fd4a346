package format

import (
	"cmp"
	"strings"
)

// writeNFTables writes a chain that accepts what may come to node ports and leaves all else to whoever jumps to it. Loaded
// again it replaces what it had before, in one transaction; sets are anonymous, so nothing of before is left.
func writeNFTables(w *writer) {
	table := cmp.Or(w.options.Table, "filter")
	w.head("#")
	w.f("# For a chain of the same table that sees packets to the nodes: jump portolan\n\n")
	w.f("table inet %s {\n\tchain portolan {\n\t}\n}\n", table)
	w.f("flush chain inet %s portolan\n", table)
	w.f("table inet %s {\n\tchain portolan {\n", table)
	w.shut("\t\t")
	for _, o := range openings(w.inv) {
		w.nft(o)
	}
	w.f("\t}\n}\n")
}

func (w *writer) nft(o *opening) {
	family := "ip"
	if o.Addresses[0].Is6() {
		family = "ip6"
	}
	w.f("\n\t\t# to %s\n", w.nodesAt(o.Addresses))
	w.f("\t\t%s daddr { %s }", family, strings.Join(texts(o.Addresses), ", "))
	if !o.Open() {
		w.f(" %s saddr { %s }", family, strings.Join(texts(o.From), ", "))
	}
	w.f(" meta l4proto . th dport {\n")
	for _, n := range o.numbers {
		w.f("\t\t\t%s . %d, # %s\n", n.keyword(), n.number, n.origin)
	}
	w.f("\t\t} accept\n")
}
