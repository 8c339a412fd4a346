package listeners

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// askedAgain is how many lists later a protocol is asked for again that the kernel had no table of. Each time it looks for
// a module to load.
const askedAgain = 100

var protocolNames = map[Protocol]string{TCP: "TCP", UDP: "UDP", SCTP: "SCTP"}

func (p Protocol) String() string { return protocolNames[p] }

// Table is the kernel's, of the network namespace that it was opened in. It is not safe for concurrent use.
type Table struct {
	socket *netlink.Socket
	absent int // for how many lists SCTP is not asked for
}

// Open opens the table of the network namespace of the calling thread. It takes no rights.
func Open() (*Table, error) {
	s, err := netlink.OpenSocketTables()
	if err != nil {
		return nil, err
	}
	return &Table{socket: s}, nil
}

// Close ends the use of the table.
func (t *Table) Close() error { return t.socket.Close() }

// List is all that listens at the ports from and to and those between, in order, without the processes. A kernel without
// SCTP has no listeners of it; one that cannot list those of TCP and UDP (CONFIG_INET_DIAG) is an error.
func (t *Table) List(from, to uint16) ([]Listener, error) {
	var all []Listener
	for _, protocol := range []Protocol{TCP, UDP, SCTP} {
		if protocol == SCTP && t.absent > 0 {
			t.absent--
			continue
		}
		found, err := t.listOf(protocol, from, to)
		switch {
		case protocol == SCTP && errors.Is(err, unix.ENOENT):
			t.absent = askedAgain
		case err != nil:
			return nil, fmt.Errorf("listing %s listeners: %w", protocol, err)
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, Listener.Compare)
	return all, nil
}

func (t *Table) listOf(protocol Protocol, from, to uint16) ([]Listener, error) {
	var found []Listener
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		err := t.socket.Ask(query{family, protocol, from, to}.request(), func(body []byte) error {
			l, err := parse(body, protocol)
			if err == nil && from <= l.Port && l.Port <= to {
				found = append(found, l)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
