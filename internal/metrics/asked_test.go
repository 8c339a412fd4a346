package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestAValueThatIsAskedForIsThereOnceThereIsOne(t *testing.T) {
	a := newAsked("asked", "Asked for.")
	if n := testutil.CollectAndCount(a); n != 0 {
		t.Errorf("%d series while nobody knows whom to ask", n)
	}
	var value float64
	a.Ask(func() (float64, bool) { return value, value != 0 })
	if n := testutil.CollectAndCount(a); n != 0 {
		t.Errorf("%d series while there is no value", n)
	}
	value = 7
	if got := testutil.ToFloat64(a); got != 7 {
		t.Errorf("got %v", got)
	}
}
