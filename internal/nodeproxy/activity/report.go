package activity

import (
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
)

// takeOver is how old the last report of the node-proxy before this one may be for the node to have counted all the
// time: that had nothing to tell, and was restarted.
const takeOver = Silence + Interval

// Report is what the cluster is to know, given what it knows; it is the same where nothing is worth a write. What has been
// proposed but was not taken is proposed again.
func (b *Book) Report(known *v1alpha1.Activity) *v1alpha1.Activity {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at.IsZero() {
		return known
	}
	if known != nil && known.To.After(b.at) { // by a clock that was set back since
		known = nil
	}
	b.learn(known)
	if known != nil && known.Since.Time.Equal(b.since) && !b.news() {
		return known
	}
	from := b.known
	if from.Before(b.since) {
		from = b.since
	}
	return &v1alpha1.Activity{Since: metav1.NewTime(b.since), From: metav1.NewTime(from), To: metav1.NewTime(b.at), NodePorts: bitmap.Of(maps.Keys(b.used)).Text()}
}

// learn takes in what the cluster knows, by this node-proxy or by the one before it.
func (b *Book) learn(known *v1alpha1.Activity) {
	switch {
	case known == nil:
		b.known = time.Time{}
		return
	case known.To.Time.Equal(b.known):
		return
	}
	b.known = known.To.Time
	if known.Since.Time.Before(b.since) && b.began.Sub(b.known) <= takeOver {
		b.since = known.Since.Time
	}
	for number, at := range b.told {
		if b.at.Sub(at) >= Interval {
			delete(b.told, number)
		}
	}
	numbers, err := bitmap.Parse(known.NodePorts)
	if err != nil {
		return // nobody's report: all that was used is news
	}
	for n := range numbers.TakenNumbers() {
		number := uint16(n) //nolint:gosec // bitmap.Parse takes ports only
		b.told[number] = b.known
		if !b.used[number].After(b.known) {
			delete(b.used, number)
		}
	}
}

// news says whether there is something to tell.
func (b *Book) news() bool {
	if b.at.Sub(b.known) >= Silence {
		return true
	}
	for number := range b.used {
		if at, told := b.told[number]; !told || b.at.Sub(at) >= Interval {
			return true
		}
	}
	return false
}
