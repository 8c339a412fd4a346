package faults

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// batch is more than any question to the packet filter takes, and less than what is written of a crowded Service, in bytes.
const batch = 1 << 14

// writing says whether the kernel is at work on what the node-proxy writes: that is charged to the kernel's own socket of the node's
// network namespace until it is done with it. Source: netlink_unicast_kernel in net/netlink/af_netlink.c.
func (w *world) writing() bool {
	w.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/netlink", w.proxy.Pid()))
	w.must(err)
	for line := range strings.Lines(string(text)) {
		var socket, groups string
		var protocol, port, received int
		if _, err := fmt.Sscan(line, &socket, &protocol, &port, &groups, &received); err == nil && protocol == unix.NETLINK_NETFILTER && port == 0 {
			return received > batch
		}
	}
	w.Fatalf("there is no socket of the packet filter in:\n%s", text)
	return false
}

// awaitWriting waits until the node-proxy is writing, but no longer than that.
func (w *world) awaitWriting(within time.Duration) {
	w.Helper()
	for deadline := time.Now().Add(within); !w.writing() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// killed kills the node-proxy, and says whether it was writing.
func (w *world) killed() bool {
	w.Helper()
	writing := w.writing()
	w.kill()
	return writing
}
