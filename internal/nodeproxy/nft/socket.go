package nft

import (
	"fmt"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// socket is a netlink connection to nf_tables of the network namespace that the thread that opened it was in. It is not
// safe for concurrent use.
type socket struct {
	*netlink.Socket
	// patience is for how long a snapshot is tried.
	patience time.Duration
}

func openSocket() (*socket, error) {
	s, err := netlink.Open()
	if err != nil {
		return nil, fmt.Errorf("nf_tables: %w", err)
	}
	return &socket{s, snapshotPatience}, nil
}
