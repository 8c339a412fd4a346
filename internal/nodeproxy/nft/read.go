package nft

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Read is what the table holds; nothing, where there is no table. What packets have added is not in it.
//
// It is meant for the start and for doubt: it takes about a microsecond an element.
func (k *Kernel) Read() (Table, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known = false
	var r *reading
	generation, err := k.socket.snapshot(func() (err error) {
		r, err = k.read(r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading table %s: %w", TableName, err)
	}
	for key, v := range r.table {
		r.codes.uses[v.word.Action]++
		r.codes.lengths.use(key.set, 1)
	}
	k.codes, k.foreign, k.known, k.generation = r.codes, r.foreign, true, generation
	return r.table, nil
}

// reading is the table as it was read.
type reading struct {
	table   Table
	codes   *codes
	foreign []setID
	// sure: the kernel has said how many elements there are, and all have been read.
	sure bool
}

// read reads the table once. It returns errChanged where it has to be read again: while the kernel is enlarging a hash
// table it leaves elements out (see dumpElements). One that does not say how many there are has to give the same answer
// twice.
func (k *Kernel) read(before *reading) (*reading, error) {
	present, err := k.presentSets()
	if err != nil {
		return nil, err
	}
	r := &reading{table: Table{}, codes: newCodes(), sure: true}
	if p, ok := present[sets[pickSet].name]; ok && p.shape == sets[pickSet].shape() {
		r.sure = p.counted
		err := k.readPicks(p, func(word uint32, a Action) {
			if n, list := splitWord(word); list == 0 {
				r.codes.learn(n, a)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for _, id := range setIDs {
		p, ok := present[sets[id].name]
		if !ok || p.shape != sets[id].shape() || id == pickSet || sets[id].dynamic {
			continue
		}
		r.codes.lengths.add(id)
		if err := k.readSet(r, id, p); err != nil {
			return nil, err
		}
	}
	if !r.sure && (before == nil || !maps.Equal(before.table, r.table)) {
		return r, errChanged
	}
	return r, nil
}

func (k *Kernel) presentSets() (map[string]present, error) {
	objects, err := k.socket.dumpObjects(setObjects, TableName)
	if err != nil {
		return nil, err
	}
	all := map[string]present{}
	for _, o := range objects {
		p, err := parseSet(o.body)
		if err != nil {
			return nil, err
		}
		p.counted = p.counted && !k.uncounted
		all[o.name] = p
	}
	return all, nil
}

// readPicks calls visit with each word that leads to a chain, and the action that the chain is of; the zero Action where
// it is of none.
func (k *Kernel) readPicks(p present, visit func(word uint32, a Action)) error {
	visited := uint32(0)
	err := k.socket.dumpElements(TableName, sets[pickSet].name, func(e entry) error {
		if len(e.key) != 4 {
			return errMalformed
		}
		a, _ := parseAction(e.chain)
		visit(host.Uint32(e.key), a)
		visited++
		return nil
	})
	if err == nil && p.counted && visited != p.count {
		return errChanged
	}
	return err
}

// readSet adds what a set holds to r.
func (k *Kernel) readSet(r *reading, id setID, p present) error {
	elements, err := k.elements(id, r.codes)
	if errors.Is(err, errForeign) {
		r.foreign = append(r.foreign, id)
		return nil
	}
	if err != nil {
		return err
	}
	before := len(r.table)
	for _, e := range elements {
		r.table[e.Key] = e.Value
	}
	switch {
	case sets[id].interval: // a tree, or arrays: always listed as it is
	case !p.counted:
		r.sure = false
	case len(r.table)-before != int(p.count):
		return errChanged
	}
	return nil
}

func (k *Kernel) elements(id setID, c *codes) ([]Element, error) {
	var elements []Element
	var ends []entry
	var foreign error
	err := k.socket.dumpElements(TableName, sets[id].name, func(e entry) error {
		if s := sets[id]; s.interval && !s.concatenated() {
			ends = append(ends, entry{key: bytes.Clone(e.key), closing: e.closing})
			return nil
		}
		element, err := elementOf(id, e, c)
		if errors.Is(err, errForeign) {
			foreign = err
			return nil
		}
		elements = append(elements, element)
		return err
	})
	if err != nil || foreign != nil {
		return nil, errors.Join(err, foreign)
	}
	if ends != nil {
		return ranges(id, ends)
	}
	return elements, nil
}

// Closes says whether the table closes ports as it does with them as Rules.Closed, and no others.
func (k *Kernel) Closes(ports PortRange) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	rules, err := k.socket.dumpObjects(ruleObjects, TableName)
	if err != nil {
		return false, fmt.Errorf("reading what table %s closes: %w", TableName, err)
	}
	rules = slices.DeleteFunc(rules, func(o object) bool { return o.name != "used" })
	return sameRules(rules, usedRules(ports)), nil
}
