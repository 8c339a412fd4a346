package nft

import (
	"fmt"
	"iter"
)

// Uses are how many new flows each port that has a Use has taken since it has it, whoever installed the table meanwhile;
// where there is no table that is ErrUncounted. Those that the guard keeps out do not count, nor what the node sends itself; of UDP a
// flow is what conntrack takes for one, answered or not.
//
// It takes about a microsecond a port, and changes nothing.
func (k *Kernel) Uses() (map[Port]uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	counts := map[Port]uint64{}
	// The kernel leaves elements out while it enlarges the set, so once more until nothing comes.
	for before := -1; before < len(counts); {
		before = len(counts)
		all, err := k.readUses(counts)
		if err != nil {
			return nil, fmt.Errorf("reading which ports are used in table %s: %w", TableName, err)
		}
		if all {
			break
		}
	}
	return counts, nil
}

// readUses reads the counters once, and says whether those were all.
func (k *Kernel) readUses(counts map[Port]uint64) (all bool, err error) {
	present, err := k.presentSets()
	if err != nil {
		return false, err
	}
	id := setID{kind: useKind}
	s := sets[id]
	p, there := present[s.name]
	if !there || p.shape != s.shape() {
		return false, ErrUncounted
	}
	err = k.socket.dumpElements(TableName, s.name, func(e entry) error {
		key, err := keyOf(id, e.key)
		if err != nil {
			return err
		}
		port, _ := key.used()
		counts[port] = e.packets
		return nil
	})
	return p.counted && len(counts) == int(p.count), err
}

// used is the port that a Use is of; false for other keys.
func (k Key) used() (Port, bool) {
	return Port{Protocol(k.bytes[0]), network.Uint16(k.bytes[4:])}, k.set.kind == useKind
}

// InUse are the ports that the table has a Use of, in no order.
func (t Table) InUse() iter.Seq[Port] {
	return func(yield func(Port) bool) {
		for k := range t {
			if p, ok := k.used(); ok && !yield(p) {
				return
			}
		}
	}
}
