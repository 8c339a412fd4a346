package release

import (
	"fmt"

	"github.com/portolan-dev/portolan/internal/cli/picture"
)

// refusal says why a number is not for release to give up, and what to do instead; "": it is held, or was
// claimed by nobody who came, and may go.
func refusal(n picture.Number) string {
	owner, _ := n.Owner()
	if n.Lapsed {
		return ""
	}
	switch n.State {
	case picture.Held:
		return ""
	case picture.InUse:
		return fmt.Sprintf("%d is in use by Service %s: change or delete that, or give it another number with kubectl portolan move %s -n %s --to NUMBER",
			n.Number, owner, owner.Name, owner.Namespace)
	case picture.Conflict:
		return fmt.Sprintf("%d is in use by several Services: see kubectl portolan who %d", n.Number, n.Number)
	case picture.Reserved:
		reservation := n.Allocation.Spec.ReservationName
		return fmt.Sprintf("%d is kept for Service %s by NodePortReservation %s: take that away with kubectl delete npr %s -n %s; then the number is held, and can be released",
			n.Number, owner, reservation, reservation, owner.Namespace)
	case picture.Pending:
		return fmt.Sprintf("%d is claimed for Service %s, which is just being made: if nothing comes of it, it is free within two minutes", n.Number, owner)
	}
	return fmt.Sprintf("%d is not held: nobody has it", n.Number)
}
