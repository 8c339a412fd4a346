package nft

import (
	"time"

	"golang.org/x/sys/unix"
)

// passing is longer than a packet takes through a chain, also where its sender has to wait for a processor in the middle.
const passing = 100 * time.Millisecond

// Remove deletes the table. It is no error if there is none.
//
// First no packet comes in any more. Those that are inside then still find what they look up: of a table that is deleted
// the kernel empties the maps at once, but neither the sets nor the rules that a packet is in, so one that goes to a Service
// would be taken for one to a port that the Service does not have, and be refused, where the next proxy would serve it.
func (k *Kernel) Remove() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known = false
	present, exists, err := k.flags()
	if err != nil || !exists {
		return err
	}
	entries, err := k.entries()
	if err != nil {
		return err
	}
	b := newBatch(TableName)
	b.addTable(wantedFlags(present)) // takes it over from one that has gone
	for _, name := range entries {
		b.flushChain(name)
	}
	if err := k.socket.commit(b); err != nil {
		return err
	}
	if len(entries) > 0 {
		time.Sleep(passing)
	}
	b = newBatch(TableName)
	b.deleteTable()
	return k.socket.commit(b)
}

// entries are the chains by which packets come in. Not those of postrouting: a packet that is translated has to be
// masqueraded too.
func (k *Kernel) entries() ([]string, error) {
	chains, err := k.socket.dumpObjects(chainObjects, TableName)
	if err != nil {
		return nil, err
	}
	var entries []string
	for _, c := range chains {
		enters, err := c.enters()
		if err != nil {
			return nil, err
		}
		if enters {
			entries = append(entries, c.name)
		}
	}
	return entries, nil
}

// enters says whether packets come into a chain from a hook before postrouting.
func (o object) enters() (bool, error) {
	hook, err := find(o.body, unix.NFTA_CHAIN_HOOK)
	if err != nil || hook == nil {
		return false, err
	}
	number, err := find(hook, unix.NFTA_HOOK_HOOKNUM)
	if err != nil || number == nil {
		return false, err
	}
	var at uint32
	err = parseU32(number, &at)
	return at != hookPostrouting, err
}
