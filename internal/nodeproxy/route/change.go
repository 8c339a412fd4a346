package route

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Change is what to do in the kernel.
type Change struct {
	nft.Change
	// Flows are those to look at once the elements are in place.
	Flows []Flow
	// Conflicts are those that came up with the change; its elements follow their outcome.
	Conflicts []Conflict
}

// Flow is a UDP or SCTP frontend whose conntrack entries may be out of date: those to any other place than Serving
// are to be deleted, so that the flow's next packet asks anew. Where the frontend is there, that holds for entries too
// that were never translated, from before it was.
type Flow struct {
	Frontend
	Serving []netip.AddrPort
	// Gone: the frontend is none any more.
	Gone bool
}

// Conflict is a frontend that two Services claim. The Winner has it: whose cluster IP it is, else the older one.
// The Loser is without until the Winner gives it up.
type Conflict struct {
	Frontend
	Winner, Loser types.NamespacedName
}

// edit is a change in the making.
type edit struct {
	Change
	// found are elements that the kernel had before anything was planned, and that nobody has asked for yet.
	found nft.Table
}

func (e *edit) delete(element nft.Element) { e.Delete = append(e.Delete, element) }

func (e *edit) replace(before, after []nft.Element) { e.Replace(e.found, before, after) }
