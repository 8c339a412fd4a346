package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
)

func TestTheMoreNodesReadAWriteTheFewerAreMade(t *testing.T) {
	for _, c := range []struct {
		nodes        int32
		news, counts tempo
	}{
		{0, tempo{2 * time.Second, 20 * time.Millisecond}, tempo{2 * time.Second, 20 * time.Millisecond}},
		{3, tempo{2 * time.Second, 20 * time.Millisecond}, tempo{3 * time.Second, 20 * time.Millisecond}},
		{100, tempo{2 * time.Second, 20 * time.Millisecond}, tempo{100 * time.Second, 20 * time.Millisecond}},
		{5000, tempo{2 * time.Second, time.Second}, tempo{10 * time.Minute, time.Second}},
	} {
		if news, counts := newsTempo(c.nodes), countTempo(c.nodes); news != c.news || counts != c.counts {
			t.Errorf("%d nodes: %v and %v, want %v and %v", c.nodes, news, counts, c.news, c.counts)
		}
	}
}

func TestHowManyNodesThereAreIsWrittenSeldomAndAllElseSoon(t *testing.T) {
	object := allowing("10.0.0.0/8")
	name := types.NamespacedName{Namespace: "shop", Name: "office"}
	was := func(programmed, total int32) {
		object.Status = accessStatus(object, guardingOf(access.NewPolicy(object), nil), v1alpha1.NodeCounts{Programmed: programmed, Total: total}, noon)
	}
	clock := testingclock.NewFakePassiveClock(noon)
	r := newAccessReconciler(nil, clock)
	asks := func(what string, programmed, total int32, want time.Duration, wantNews bool) {
		t.Helper()
		if wait, news := r.ask(object, v1alpha1.NodeCounts{Programmed: programmed, Total: total}); wait != want || news != wantNews {
			t.Errorf("%s: a turn in %s (new: %t), want %s (%t)", what, wait, news, want, wantNews)
		}
	}
	was(4999, 4999)
	asks("a node joins", 5000, 5000, 10*time.Minute, true)
	clock.SetTime(noon.Add(time.Minute))
	asks("one leaves", 4999, 4999, 9*time.Minute, false)
	asks("one joins that does not enforce it yet", 4999, 5000, 2*time.Second, true)
	if news, counts, wait := r.begin(name); news || counts || wait != 2*time.Second {
		t.Errorf("news %t, counts %t, the next in %s", news, counts, wait)
	}
	clock.SetTime(noon.Add(time.Minute + 2*time.Second))
	if news, counts, wait := r.begin(name); !news || counts || wait != 9*time.Minute-2*time.Second {
		t.Errorf("two seconds later: news %t, counts %t, the next in %s", news, counts, wait)
	}
	was(4999, 5000)
	asks("now it does", 5000, 5000, 2*time.Second, true)
	clock.SetTime(noon.Add(10 * time.Minute))
	if news, counts, wait := r.begin(name); !news || !counts || wait != 0 {
		t.Errorf("nine minutes later: news %t, counts %t, the next in %s", news, counts, wait)
	}
}
