package conntrack

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// attempts is how often is read what changed so while it was read that something may have been missed.
const attempts = 4

// Table is the connection tracking of a network namespace. Its methods may be called concurrently.
type Table struct {
	mu     sync.Mutex // guards socket
	socket *netlink.Socket
}

// Open connects to the network namespace of the calling thread. It changes nothing.
func Open() (*Table, error) {
	s, err := netlink.Open()
	if err != nil {
		return nil, fmt.Errorf("conntrack: %w", err)
	}
	return &Table{socket: s}, nil
}

// Close ends the connection.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.socket.Close()
}

// Delete deletes the entries to the frontends that lead anywhere but to what serves them, and counts them.
// The node's table must have changed already: else the next packet makes the same entry again. After an error some may be
// left, and the same call finds them; so it does with what a packet has made that met the table just before the change. It
// takes CAP_NET_ADMIN.
//
// It takes 5 to 20 ms on most nodes, whatever the number of frontends, and up to 0.1 s more for each 100,000 entries that
// are there: better where nobody waits for it.
func (t *Table) Delete(flows []Flow) (deleted Counts, err error) {
	deleted = Counts{}
	if len(flows) == 0 {
		return deleted, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fill, err := t.fill()
	if err != nil || fill.Entries == 0 {
		return deleted, err
	}
	m := newMatcher(flows)
	for _, q := range queries(flows, fill.Entries) {
		err := repeat(func() error { return t.clean(q, m.stale, deleted) })
		if err != nil {
			return deleted, fmt.Errorf("conntrack: %w", err)
		}
	}
	return deleted, nil
}

// repeat calls clean until nothing has changed meanwhile, but not for ever.
func repeat(clean func() error) (err error) {
	for range attempts {
		if err = clean(); !errors.Is(err, netlink.ErrChanged) {
			break
		}
	}
	return err
}

// clean deletes what a query finds and is stale, and counts it. It does so too where it could not read all.
func (t *Table) clean(q query, is func(*entry) bool, counts Counts) error {
	var stale removal
	var e entry
	unread := t.socket.Ask(q.request(), func(body []byte) error {
		err := e.parse(body)
		if err == nil && is(&e) {
			stale.add(&e)
		}
		return err
	})
	deleted, err := stale.send(t.socket)
	counts.add(deleted)
	if unread != nil {
		unread = fmt.Errorf("listing entries: %w", explain(unread))
	}
	return errors.Join(unread, err)
}

// explain says what the kernel means.
func explain(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w (has the kernel its module nf_conntrack_netlink?)", err)
	}
	return err
}
