package conntrack

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// Fill is how many entries of all kinds there are, and how many the kernel takes. That limit is the machine's, and each
// network namespace may have as many. It is 0 where the kernel does not say, as before Linux 4.18.
type Fill struct{ Entries, Limit int }

// nearlyAll is the part of the limit, in percent, from which on there is little room.
const nearlyAll = 95

// Full says that there is no room for new connections, or next to none. The kernel drops their first packets then, also
// those from the machine to itself, unless it finds an old connection to drop that was never answered.
func (f Fill) Full() bool { return f.Limit > 0 && f.Entries*100 >= f.Limit*nearlyAll }

// Fill asks how full the table is, which takes microseconds.
func (t *Table) Fill() (Fill, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fill()
}

// fill is Fill; mu is held.
func (t *Table) fill() (Fill, error) {
	var a netlink.Attributes
	a.End(a.Begin(netlink.Header{Kind: unix.NFNL_SUBSYS_CTNETLINK<<8 | messageStats}))
	var f Fill
	err := t.socket.Ask(a, func(body []byte) error {
		return netlink.Parse(body, func(attribute uint16, value []byte) error {
			switch attribute {
			case statsEntries:
				return parseCount(value, &f.Entries)
			case statsLimit:
				return parseCount(value, &f.Limit)
			}
			return nil
		})
	})
	if err != nil {
		return Fill{}, fmt.Errorf("conntrack: counting entries: %w", explain(err))
	}
	return f, nil
}

func parseCount(value []byte, into *int) error {
	var n uint32
	err := netlink.ParseU32(value, &n)
	*into = int(n)
	return err
}
