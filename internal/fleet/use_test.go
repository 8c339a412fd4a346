package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// later is so many minutes after noon.
func later(minutes int) time.Time {
	return time.Date(2026, 5, 1, 12, minutes, 0, 0, time.UTC)
}

// usedNode is the state of a node that has counted since a minute, and says what has been used until another.
func usedNode(name string, since, to int, numbers string) *v1alpha1.NodePortNodeState {
	state := nodeState(name, v1alpha1.ProxyModeNone, "")
	state.Status.Activity = &v1alpha1.Activity{Since: metav1.NewTime(later(since)), From: metav1.NewTime(later(since)), To: metav1.NewTime(later(to)), NodePorts: numbers}
	return state
}

func TestTheUseOfANumberIsNewsOnceInTenMinutes(t *testing.T) {
	u := NewUse()
	for _, step := range []struct {
		name    string
		state   *v1alpha1.NodePortNodeState
		now     int
		want    []int32
		wantAll bool
	}{
		{"nobody has used any", usedNode("a", 0, 0, ""), 0, nil, true},
		{"the first", usedNode("a", 0, 1, "30080"), 1, []int32{30080}, false},
		{"on another node", usedNode("b", 0, 3, "30080-30081"), 3, []int32{30081}, false},
		{"the state of the node changes in something else", usedNode("b", 0, 3, "30080-30081"), 12, nil, false},
		{"ten minutes later", usedNode("a", 0, 11, "30080"), 11, []int32{30080}, false},
		{"which is eight for the other", usedNode("b", 0, 11, "30081"), 11, nil, false},
		{"by a clock that is ahead", usedNode("b", 0, 500, "30081"), 14, []int32{30081}, false},
	} {
		got, err := u.Put(step.state, later(step.now))
		if err != nil || got.All != step.wantAll {
			t.Errorf("%s: all %t, %v", step.name, got.All, err)
		}
		if diff := cmp.Diff(step.want, got.Numbers); diff != "" {
			t.Errorf("%s (-want +got)\n%s", step.name, diff)
		}
	}
	for number, want := range map[int32]time.Time{30080: later(11), 30081: later(14), 30082: {}} {
		if got := u.Of(number, later(14)).Last; !got.Equal(want) {
			t.Errorf("%d was last used at %s, want %s", number, got, want)
		}
	}
}

func TestNumbersAreCountedSinceTheFirstOfTheNodesThatStillCountBegan(t *testing.T) {
	u, now := NewUse(), 0
	since := func(what string, want time.Time) {
		t.Helper()
		if got := u.Of(30080, later(now)).Since; !got.Equal(want) {
			t.Errorf("%s: since %s, want %s", what, got, want)
		}
	}
	put := func(state *v1alpha1.NodePortNodeState, wantAll bool) {
		t.Helper()
		if got, err := u.Put(state, later(now)); err != nil || got.All != wantAll {
			t.Errorf("all %t, %v", got.All, err)
		}
	}
	since("no node", time.Time{})
	now = 10
	put(usedNode("a", 0, 10, ""), true)
	since("one", later(0))
	put(usedNode("b", 5, 10, ""), false)
	since("two", later(0))
	put(nodeState("a", v1alpha1.ProxyModeNone, ""), false)
	since("the first stops counting", later(5))
	put(usedNode("a", 10, 10, ""), false)
	since("and begins anew", later(5))
	now = 100
	put(usedNode("a", 10, 100, ""), false)
	now = 200
	since("the other has been silent for three hours", later(10))
	now = 300
	since("both have", time.Time{})
	put(usedNode("b", 5, 300, ""), false)
	now = 301
	since("one is back", later(5))
	if got := u.Drop("b"); got.All {
		t.Error("all numbers change though one node counts")
	}
	if got := u.Drop("a"); !got.All {
		t.Error("no number changes though no node counts any more")
	}
	if got := u.Drop("a"); got.All || got.Numbers != nil {
		t.Errorf("a node that is not known changes %v", got)
	}
}

func TestNumbersThatCannotBeReadAreNotUsed(t *testing.T) {
	u := NewUse()
	if got, err := u.Put(usedNode("a", 0, 1, "30080-"), later(1)); err == nil || got.Numbers != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// What 5,000 nodes say of 200 numbers that are in constant use is 200 looks in ten minutes, however they come.
func TestManyNodesThatUseTheSameNumbersAreNewsOnce(t *testing.T) {
	u, looks := NewUse(), 0
	for minute := range 60 {
		for node := minute % 10; node < 5000; node += 10 { // each reports every ten minutes
			changed, err := u.Put(usedNode(fmt.Sprint("node-", node), 0, minute, "30000-30199"), later(minute))
			if err != nil {
				t.Fatal(err)
			}
			if !changed.All {
				looks += len(changed.Numbers)
			}
		}
	}
	if want := 6 * 200; looks > want {
		t.Errorf("numbers are looked at %d times in an hour, want %d", looks, want)
	}
}
