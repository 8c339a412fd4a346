package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports come from below Linux's ephemeral range (32768 and up) and the node ports (30000 and up): nothing takes one by
// chance while its server restarts, and a reader of a log does not mistake one for a node port.
const (
	firstPort = 20000
	lastPort  = 29999
)

// freePort returns a port of loopback that nobody listens on now. Another process may take it before it is used; who
// starts a server on it tries again with another (startOnFreePort).
func freePort() (int, error) {
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port found between %d and %d", firstPort, lastPort)
}
