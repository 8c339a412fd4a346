package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Every node watches all NodePortAccess, with their statuses: what one write costs grows with the nodes. So the more there
// are the less is written of what they report.

// newsTempo is that of what nodes report, read by so many: all together read no more than 5,000 writes a second.
func newsTempo(nodes int32) tempo {
	return tempo{settle: rollUp.settle, gap: max(rollUp.gap, time.Duration(nodes)*200*time.Microsecond)}
}

// countTempo is that of mere counts. Of a few nodes they are written at once, of many every ten minutes.
func countTempo(nodes int32) tempo {
	t := newsTempo(nodes)
	t.settle = max(t.settle, min(time.Duration(nodes)*time.Second, 10*time.Minute))
	return t
}

// ask gives an object that so many nodes enforce the turn at which that is written, unless it has one already, and returns
// how long it is from now.
func (r *accessReconciler) ask(object *v1alpha1.NodePortAccess, nodes v1alpha1.NodeCounts) (wait time.Duration, news bool) {
	name, now := client.ObjectKeyFromObject(object), r.clock.Now()
	if onlyCounts(object.Status, nodes) {
		return r.counts.ask(name, now, countTempo(nodes.Total))
	}
	return r.turns.ask(name, now, newsTempo(nodes.Total))
}

// begin says which turns of an object have come, and how long it is until the next one; 0: none has been asked for.
func (r *accessReconciler) begin(name types.NamespacedName) (news, counts bool, wait time.Duration) {
	now := r.clock.Now()
	news, untilNews := r.turns.begin(name, now)
	counts, untilCounts := r.counts.begin(name, now)
	return news, counts, sooner(untilNews, untilCounts)
}

// onlyCounts says whether nodes of such a number change no more of a status than the number.
func onlyCounts(before v1alpha1.NodePortAccessStatus, nodes v1alpha1.NodeCounts) bool {
	was, is := meta.FindStatusCondition(before.Conditions, v1alpha1.AccessProgrammed), enforced(nodes)
	return was != nil && was.Reason == is.Reason && was.Message == is.Message
}
