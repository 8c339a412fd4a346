package rules

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/internal/serviceports"
)

// held refuses a number that another Service has, and warns where a hold of the namespace is taken over.
func (j *judge) held(r serviceports.Request, userSet bool) {
	others := slices.DeleteFunc(j.ledger.Holders(r.NodePort), func(h Holder) bool {
		// What one reservation keeps for the Service is not another reservation's.
		return h.Service == j.service() && (j.Reservation == "" || h.Reservation == "" || h.Reservation == j.Reservation)
	})
	refused := slices.IndexFunc(others, func(h Holder) bool { return !h.Held() || h.Service.Namespace != j.Namespace })
	switch {
	case refused >= 0 && !userSet:
		j.answer.warn("%s: %d was picked by Kubernetes, since Portolan did not answer, and was kept for another Service", r.Path(), r.NodePort)
	case refused >= 0:
		j.answer.refuse(ReasonTaken, Taken(j.ledger, j.Question, j.answer.Pools, r, others[refused]), j.chart.PoolOf(r.NodePort))
	case len(others) > 0:
		j.answer.warn("%s: %d was held for Service %q of this namespace and is taken over", r.Path(), r.NodePort, others[0].Service.Name)
	}
}

// Taken is the refusal of an explicit number that another Service has. Of another namespace it tells nothing,
// not even whether the number is in use or held.
func Taken(l Ledger, q Question, pools []*Pool, r serviceports.Request, holder Holder) *field.Error {
	text := "already allocated in another namespace"
	switch {
	case holder.Service.Namespace == q.Namespace && holder.Reservation != "":
		text = fmt.Sprintf("reserved for Service %q in this namespace by NodePortReservation %q", holder.Service.Name, holder.Reservation)
	case holder.Service.Namespace == q.Namespace:
		text = fmt.Sprintf("already allocated to Service %q in this namespace", holder.Service.Name)
	}
	return field.Invalid(r.Path(), r.NodePort, text+freeNow(l, q.Namespace, pools))
}
