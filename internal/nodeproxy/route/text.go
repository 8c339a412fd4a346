package route

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// String is the table as text: a line for each element that a frontend or a set has, and one for each list. Lists are
// numbered as they come and their endpoints sorted, so that tables that do the same read the same: ids and slots
// depend on what was before.
func (t Table) String() string {
	w := writer{table: t, numbers: map[uint32]int{}}
	for _, k := range slices.SortedFunc(maps.Keys(t), Key.compare) {
		if k.Map != Endpoints && k.Map != Slots {
			w.element(k)
		}
	}
	for _, l := range w.lists {
		w.line("list %d: %s", w.numbers[l.List], w.endpoints(l))
	}
	for _, text := range w.unused() {
		w.line("list without a frontend: %s", text)
	}
	return w.text.String()
}

// compare orders keys by map, and within it as one would look for them.
func (k Key) compare(l Key) int {
	return cmp.Or(
		cmp.Compare(k.Map, l.Map),
		cmp.Compare(k.Family, l.Family),
		k.Addr.Compare(l.Addr),
		cmp.Compare(k.Protocol, l.Protocol),
		cmp.Compare(k.Port, l.Port),
		k.Prefix.Compare(l.Prefix),
		cmp.Compare(k.Interface, l.Interface),
		cmp.Compare(k.List, l.List),
		cmp.Compare(k.Slot, l.Slot),
	)
}

// writer writes a table.
type writer struct {
	text    strings.Builder
	table   Table
	numbers map[uint32]int // of lists, by id
	lists   []listWord     // those numbered
}

// listWord is a word that leads to a list, in the family of its frontend.
type listWord struct {
	Word
	family Family
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

// element writes one of a frontend or a set.
func (w *writer) element(k Key) {
	name := k.Map.String()
	if k.Family != 0 {
		name += fmt.Sprint(uint8(k.Family))
	}
	text := name + " " + k.match()
	if !k.hasWord() {
		w.line("%s", text)
		return
	}
	word := w.table[k].Word
	if word.Action == Balance {
		word.List = uint32(w.number(listWord{word, k.Family}))
	}
	w.line("%s : %s", text, word)
}

// number is that of a list.
func (w *writer) number(l listWord) int {
	if _, ok := w.numbers[l.List]; !ok {
		w.lists = append(w.lists, l)
		w.numbers[l.List] = len(w.lists)
	}
	return w.numbers[l.List]
}

// endpoints are those of a list, sorted.
func (w *writer) endpoints(l listWord) string {
	addrs := w.table.listed(l)
	slices.SortFunc(addrs, netip.AddrPort.Compare)
	return strings.Join(texts(addrs), " ")
}

// unused are the lists that no word leads to: those of Services that lost all frontends to others.
func (w *writer) unused() []string {
	behind := map[uint32]bool{} // a slot: ids of endpoints
	for _, d := range w.table {
		behind[d.ID] = true
	}
	var all []string
	for k := range w.table {
		if _, used := w.numbers[k.List]; used || k.Slot != 0 {
			continue
		}
		switch {
		case k.Map == Slots:
			all = append(all, w.endpoints(listWord{Word{List: k.List, Timeout: 1}, w.table.familyOf(k)}))
		case k.Map == Endpoints && !behind[k.List]:
			all = append(all, w.endpoints(listWord{Word{List: k.List}, k.Family}))
		}
	}
	slices.Sort(all)
	return all
}

// familyOf is the family of a list in Slots, by its first endpoint.
func (t Table) familyOf(k Key) Family {
	if _, ok := t[endpointKey(IPv4, t[k].ID, 0)]; ok {
		return IPv4
	}
	return IPv6
}

// listed are the endpoints of a list, by slot.
func (t Table) listed(l listWord) []netip.AddrPort {
	var addrs []netip.AddrPort
	for slot := uint32(0); ; slot++ {
		at, ok := endpointKey(l.family, l.List, slot), true
		if l.sticky() {
			var d Data
			d, ok = t[slotKey(l.List, slot)]
			at = endpointKey(l.family, d.ID, 0)
		}
		d, there := t[at]
		if !ok || !there {
			return addrs
		}
		addrs = append(addrs, d.Endpoint)
	}
}

func texts(addrs []netip.AddrPort) []string {
	all := make([]string, len(addrs))
	for i, a := range addrs {
		all[i] = a.String()
	}
	return all
}

func (k Key) hasWord() bool {
	return k.Map == Services || k.Map == Short || k.Map == NodePorts || k.Map == ShortPorts
}

// match is what the key matches, in nft's notation.
func (k Key) match() string {
	var parts []string
	if k.Addr.IsValid() {
		parts = append(parts, k.Addr.String())
	}
	if k.Map == Hairpins {
		parts = append(parts, k.Addr.String())
	}
	if k.Protocol != 0 {
		parts = append(parts, k.Protocol.String(), fmt.Sprint(k.Port))
	}
	if k.Prefix.IsValid() {
		parts = append(parts, k.Prefix.String())
	}
	if k.Interface != "" {
		parts = append(parts, k.Interface)
	}
	return strings.Join(parts, " . ")
}
