package nft

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Install makes the table, or makes it what this version of the package has it be with these Rules, and does the changes
// with it, as Apply does. Where nothing differs it writes nothing. Packets are served all the while: rules
// are replaced chain by chain within one batch, and the table itself stays.
func (k *Kernel) Install(rules Rules, changes ...Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known {
		return fmt.Errorf("%w: it has to be read first", ErrDoubt)
	}
	k.known = false
	if err := k.own(); err != nil {
		return err
	}
	var u *upgrade
	_, err := k.socket.snapshot(func() (err error) {
		u, err = k.compare(rules, changes...)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading table %s: %w", TableName, err)
	}
	k.codes = u.codes
	if err := k.runInOrder(u.steps(), changes); err != nil {
		return err
	}
	k.foreign, k.known = nil, true
	return nil
}

// own makes the table if there is none, and makes it this Kernel's own where the kernel can do that.
func (k *Kernel) own() error {
	present, exists, err := k.flags()
	if err != nil {
		return err
	}
	if exists {
		return k.take(present)
	}
	err = k.addTable(tableOwner | tablePersist)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return k.addTable(0)
	}
	return err
}

// take makes a table that has these flags this Kernel's own. Where that changes nothing the kernel is not asked, for it
// would not count that.
func (k *Kernel) take(present uint32) error {
	flags := wantedFlags(present)
	if flags == present && (k.owned || flags == 0) {
		return nil
	}
	return k.addTable(flags)
}

func (k *Kernel) addTable(flags uint32) error {
	b := newBatch(TableName)
	b.addTable(flags)
	err := k.commit(b)
	k.owned = err == nil && flags&tableOwner != 0
	return err
}

// compare reads what there is, apart from elements, and says what is to be done about it before changes are made.
func (k *Kernel) compare(r Rules, changes ...Change) (*upgrade, error) {
	present, err := k.presentSets()
	if err != nil {
		return nil, err
	}
	chains, err := k.socket.dumpObjects(chainObjects, TableName)
	if err != nil {
		return nil, err
	}
	rules, err := k.socket.dumpObjects(ruleObjects, TableName)
	if err != nil {
		return nil, err
	}
	u := newUpgrade(r, k.codes)
	for _, c := range changes {
		u.codes.lengths.expect(c.Add)
	}
	u.compareSets(present)
	u.compareChains(chains, rules)
	for _, id := range k.foreign {
		u.flush = append(u.flush, sets[id].name)
	}
	if p, ok := present[sets[pickSet].name]; ok && p.shape == sets[pickSet].shape() {
		err = k.readPicks(p, u.comparePick)
	}
	return u, err
}
