package guard

import "github.com/portolan-dev/portolan/internal/nodeproxy/nft"

// uses count who has each number: Services, and pods with a hostPort.
type uses map[nft.Port]int

// exchange takes in some and lets go of others, the former first, so that what is in both stays untouched, and goes on
// counting its connections.
func (u uses) exchange(gone, come []nft.Port, e *edit) {
	for _, port := range come {
		if u[port]++; u[port] == 1 {
			e.add(nft.Use(port.Protocol, port.Number))
		}
	}
	for _, port := range gone {
		if u[port]--; u[port] == 0 {
			delete(u, port)
			e.delete(nft.Use(port.Protocol, port.Number))
		}
	}
}
