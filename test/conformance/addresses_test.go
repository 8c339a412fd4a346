package conformance

import (
	"context"

	"github.com/portolan-dev/portolan/test/proxysite"
)

// An address that the node has for a while, and the ranges of it and the second one.
const (
	third4 = "203.0.113.9"
	third6 = "2001:db8:2::9"
)

var secondOnly = []string{"203.0.113.0/24", "2001:db8:2::/64"}

func addressCame(_ context.Context, w *world) error {
	w.site.Node.Address(proxysite.NodeInterface, third4+"/32", third6+"/128")
	return nil
}

func addressWent(_ context.Context, w *world) error {
	w.site.Node.RemoveAddress(proxysite.NodeInterface, third4+"/32", third6+"/128")
	return nil
}
