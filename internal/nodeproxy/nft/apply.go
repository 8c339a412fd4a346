package nft

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// Apply has the kernel do the changes one after another, and all at once: no packet sees a part of them, nor a state
// between two of them, so a key may be in several. Where that takes more than a netlink socket may hold (see ErrTooLarge)
// they are done as few at a time as must be; a change is parted only where it does not fit alone, and so that no packet is
// lost by that (see parts.go). Grants are the exception: where prefixes of several lengths change in a list, they come one
// after another, and all else then, each some 10 ms after the one before (see order.go).
//
// It fails where an element to be deleted is not there, or one to be added is.
//
// A packet may take a word before a change, and find what the word leads to after it. So that it is served whatever
// becomes of a list, its slots are without gaps, and stay so: when a list becomes shorter its last endpoint takes the
// place of the one that goes, the last slot goes, and the words of the frontends change. All of that is one change.
// A packet that does not find its endpoint nevertheless takes that of slot 0, and where that has gone, begins anew.
func (k *Kernel) Apply(changes ...Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known {
		return fmt.Errorf("%w: it has to be read first", ErrDoubt)
	}
	if err := k.prepare(changes); err != nil {
		return err
	}
	return k.runInOrder(nil, changes)
}

// prepare gives the kernel the chains and sets that changes need, and waits until every packet meets them. A packet has
// the rules that were there when it came, but the elements that are there when it looks: of one that was under way, a new
// word would find a chain without rules, and a new grant none that looks for it, however often it began anew.
func (k *Kernel) prepare(changes []Change) error {
	if !slices.ContainsFunc(changes, func(c Change) bool { return k.codes.lack(c.Add) }) {
		return nil
	}
	b := newBatch(TableName)
	codes, err := k.writeActions(b, merge(changes).Add)
	if err == nil {
		err = k.commit(b)
	}
	switch {
	case errors.Is(err, ErrTooLarge): // then they come with the elements, a part at a time
		return nil
	case err != nil:
		k.known = false
		return err
	}
	k.codes = codes
	awaitPackets()
	return nil
}

// awaitPackets returns when those have left that were under way: the kernel handles each within a read-side critical
// section of RCU, and ends this call after a grace period. Where the call is forbidden, packets are nearly always faster.
func awaitPackets() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL of linux/membarrier.h
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0)
}

// runInOrder does what comes first, and then changes. Packets leave between two that have to be one after another: one
// that meets both would find neither what was there before them nor what is there after.
func (k *Kernel) runInOrder(first []step, changes []Change) error {
	for i, c := range inOrder(changes) {
		if i > 0 {
			awaitPackets()
		}
		if err := k.run(append(first, changeSteps(c)...), i > 0); err != nil {
			return err
		}
		first = nil
	}
	return nil
}

// step is what one batch must do all of: a change, or, where there is one, what write does.
type step struct {
	change Change
	write  func(*batch)
}

func changeSteps(changes []Change) []step {
	steps := make([]step, len(changes))
	for i, c := range changes {
		steps[i].change = c
	}
	return steps
}

// run does steps in order, as many in a batch as fit. A change that does not fit alone becomes several. done: something
// has been, before.
func (k *Kernel) run(steps []step, done bool) error {
	size := len(steps)
	for len(steps) > 0 {
		size = min(size, len(steps))
		b := newBatch(TableName)
		codes, err := k.write(b, steps[:size])
		if err == nil {
			err = k.commit(b)
		}
		switch {
		case err == nil:
			k.codes, done = codes, true
			codes.useAll(steps[:size])
			steps = steps[size:]
		case !errors.Is(err, ErrTooLarge):
			k.known = false
			return err
		case size > 1:
			size /= 2
		default:
			parts := changeSteps(steps[0].change.parts())
			if len(parts) <= 1 {
				return k.tooLarge(err, done)
			}
			steps, size = append(parts, steps[1:]...), len(parts)
		}
	}
	return nil
}

// tooLarge is what is said of what fits in no way, where some of it may have been done.
func (k *Kernel) tooLarge(err error, done bool) error {
	if !done {
		return err
	}
	k.known = false
	return fmt.Errorf("%w: some of it is done, the rest is too large", ErrDoubt)
}

// write puts steps into a batch and returns the codes that there will then be. Elements come last, of all changes the
// deletions first: an element that gets another value is deleted and added, which is all that the kernel knows.
func (k *Kernel) write(b *batch, steps []step) (*codes, error) {
	var changes []Change
	for _, s := range steps {
		if s.write != nil {
			s.write(b)
		} else {
			changes = append(changes, s.change)
		}
	}
	change := merge(changes)
	codes, err := k.writeActions(b, change.Add)
	if err != nil {
		return nil, err
	}
	for id, elements := range bySet(change.Delete) {
		b.deleteElements(sets[id].name, entriesOf(elements, nil))
	}
	for id, elements := range bySet(change.Add) {
		b.addElements(sets[id].name, entriesOf(elements, codes))
	}
	return codes, nil
}

// bySet yields the elements of each set, in the order of the layout.
func bySet(elements []Element) iter.Seq2[setID, []Element] {
	sizes := map[setID]int{}
	for i := range elements {
		sizes[elements[i].Key.set]++
	}
	groups := make(map[setID][]Element, len(sizes))
	for id, n := range sizes {
		groups[id] = make([]Element, 0, n)
	}
	for i := range elements {
		id := elements[i].Key.set
		groups[id] = append(groups[id], elements[i])
	}
	return func(yield func(setID, []Element) bool) {
		for _, id := range slices.SortedFunc(maps.Keys(groups), setID.compare) {
			if !yield(id, groups[id]) {
				return
			}
		}
	}
}

// writeActions gives the actions of elements that come a code and a chain, and the prefixes a set, and returns all codes.
func (k *Kernel) writeActions(b *batch, come []Element) (*codes, error) {
	if !k.codes.lack(come) {
		return k.codes, nil
	}
	codes := k.codes.clone()
	writeLengths(b, codes.lengths, come)
	codes.use(come, 1) // so that none of them is dropped for another
	for _, e := range come {
		if w, ok := e.Word(); ok && codes.code[w.Action] == noCode && !writeAction(b, codes, w.Action) {
			return nil, fmt.Errorf("%s: no code is left for its action", e)
		}
	}
	codes.use(come, -1) // until the kernel has them
	return codes, nil
}

// writeAction gives an action a code, if need be that of another.
func writeAction(b *batch, c *codes, a Action) bool {
	if c.add(a) {
		addAction(b, c.code[a], a)
		return true
	}
	dropActions(b, c)
	if c.add(a) {
		addAction(b, c.code[a], a)
		return true
	}
	return c.standIn(a)
}

func addAction(b *batch, n code, a Action) {
	b.addWholeChain(a.chain())
	b.addElements(sets[pickSet].name, pickEntries(map[code]Action{n: a}))
}

// dropActions deletes the chains that no word uses. It waits until codes run out, because a new chain costs a walk
// through all endpoints, and what was used once is likely to be used again.
func dropActions(b *batch, c *codes) {
	dropped := c.drop()
	var words []uint32
	for n := range dropped {
		words = append(words, n.word(0))
	}
	b.deleteElements(sets[pickSet].name, wordKeys(words))
	for _, a := range dropped {
		b.flushChain(a.String())
		b.deleteChain(a.String())
	}
}
