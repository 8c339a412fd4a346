package nft

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Kernel is the table in a network namespace. Its methods may be called concurrently.
//
// Claim comes first, then Read, then Install, with what Read's table lacks; from then on, Apply. After an error nobody knows any more
// what the table holds, and it begins with Read again. Only ErrTooLarge leaves everything as it was.
//
// Where the kernel can do it (Linux 6.9), the table belongs to the Kernel that installed it: others can neither change it
// nor flush it, and yet it stays when this process ends, however it does.
type Kernel struct {
	mu     sync.Mutex // guards all below
	socket *socket
	codes  *codes
	// known: the table holds what has been read and applied, and its actions are those of codes.
	known bool
	// owned: nobody else can change the table.
	owned bool
	// uncounted: what the kernel says about the number of elements is not heard, as if it were older (for tests).
	uncounted bool
	// foreign are sets that others have written to, so that they have to be emptied first.
	foreign []setID
}

// Open connects to the network namespace of the calling thread. It changes nothing.
func Open() (*Kernel, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	return &Kernel{socket: s, codes: newCodes()}, nil
}

// Close ends the connection. The table stays.
func (k *Kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.socket.Close()
}

// Claim makes the table this Kernel's own, as Install does, if there is one: what is read then nobody else changes. While
// another process owns it that is ErrOwned.
func (k *Kernel) Claim() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	flags, exists, err := k.flags()
	if err != nil || !exists {
		return err
	}
	return k.addTable(flags)
}

// Owned says whether nobody else can change the table, nor delete it: what has been applied is what is there. So it is
// once Claim or Install has succeeded where the kernel can do that, unless the table was somebody else's who did not own it.
func (k *Kernel) Owned() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.owned
}

// Remove deletes the table. It is no error if there is none.
func (k *Kernel) Remove() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known = false
	flags, exists, err := k.flags()
	if err != nil || !exists {
		return err
	}
	b := newBatch(TableName)
	b.addTable(flags) // takes it over from one that has gone
	b.deleteTable()
	return k.socket.commit(b)
}

// flags are those that the table has to keep; false where it does not exist. A table that nobody ever owned cannot be
// owned. One that others have put to sleep is to wake up.
func (k *Kernel) flags() (uint32, bool, error) {
	tables, err := k.socket.dumpObjects(tableObjects, TableName)
	if err != nil || len(tables) == 0 {
		return 0, false, err
	}
	value, err := find(tables[0].body, unix.NFTA_TABLE_FLAGS)
	var flags uint32
	if err == nil {
		err = parseU32(value, &flags)
	}
	if flags&tablePersist != 0 { // without an owner, if that has gone
		return tableOwner | tablePersist, true, err
	}
	return 0, true, err
}
