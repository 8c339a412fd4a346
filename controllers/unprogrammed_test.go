package controllers

import (
	"testing"
	"time"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/fleet"
)

func TestNumbersThatNodesLackForLongAreCounted(t *testing.T) {
	u := newUnprogrammed()
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		name    string
		minutes time.Duration
		number  int32
		nodes   v1alpha1.NodeCounts
		want    int
	}{
		{"no node serves it", 0, 30001, v1alpha1.NodeCounts{}, 0},
		{"one lacks it", 1, 30001, v1alpha1.NodeCounts{Total: 3, Programmed: 2}, 0},
		{"another one does", 4, 30001, v1alpha1.NodeCounts{Total: 4, Programmed: 3}, 0},
		{"all lack another", 6, 30002, v1alpha1.NodeCounts{Total: 3}, 1},
		{"the first is everywhere", 11, 30001, v1alpha1.NodeCounts{Total: 3, Programmed: 3}, 1},
		{"it is not again", 12, 30001, v1alpha1.NodeCounts{Total: 3, Programmed: 2}, 1},
		{"the other has gone", 13, 30002, v1alpha1.NodeCounts{}, 0},
	} {
		now := start.Add(step.minutes * time.Minute)
		u.note(observed{now: now, number: step.number, nodes: fleet.Covered{NodeCounts: step.nodes}})
		if got := u.overdue(now); got != step.want {
			t.Errorf("%s: %d, want %d", step.name, got, step.want)
		}
	}
}
