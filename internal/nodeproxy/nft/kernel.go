package nft

import (
	"fmt"
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
	// generation is the network namespace's, if nobody else has changed anything since Read.
	generation uint32
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
	present, exists, err := k.flags()
	if err != nil || !exists {
		return err
	}
	return k.take(present)
}

// Owned says whether nobody else can change the table, nor delete it: what has been applied is what is there. So it is
// once Claim or Install has succeeded where the kernel can do that, unless the table was somebody else's who did not own it.
func (k *Kernel) Owned() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.owned
}

// Touched says whether anybody else may have changed the table since Read. It is true also where others have changed their
// own tables alone, as kube-proxy does: the kernel only says that something has changed. That is all it takes to ask, so
// it may be asked often.
func (k *Kernel) Touched() (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	generation, err := k.socket.generation()
	if err != nil {
		return true, fmt.Errorf("asking whether there are changes: %w", err)
	}
	return !k.known || generation != k.generation, nil
}

// commit has the kernel do all of a batch or nothing, see socket.commit, and counts it.
func (k *Kernel) commit(b *batch) error {
	err := k.socket.commit(b)
	if err == nil && !b.empty() {
		k.generation = nextGeneration(k.generation)
	}
	return err
}

// Exists says whether there is a table, whoever made it.
func (k *Kernel) Exists() (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, exists, err := k.flags()
	return exists, err
}

// flags are those that the table has; false where it does not exist.
func (k *Kernel) flags() (flags uint32, exists bool, err error) {
	tables, err := k.socket.dumpObjects(tableObjects, TableName)
	if err != nil || len(tables) == 0 {
		return 0, false, err
	}
	value, err := find(tables[0].body, unix.NFTA_TABLE_FLAGS)
	if err == nil {
		err = parseU32(value, &flags)
	}
	return flags, true, err
}

// wantedFlags are those that a table with these is to have. One that nobody ever owned cannot be owned. One that others
// have put to sleep is to wake up.
func wantedFlags(present uint32) uint32 {
	if present&tablePersist != 0 { // without an owner, if that has gone
		return tableOwner | tablePersist
	}
	return 0
}
