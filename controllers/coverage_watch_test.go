package controllers

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// claimsOf lists allocations of these numbers, and counts how often it is asked.
type claimsOf struct {
	client.Reader
	numbers []string
	asked   int
}

func (c *claimsOf) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	c.asked++
	for _, n := range c.numbers {
		a := v1alpha1.NodePortAllocation{}
		a.Name = n
		all := list.(*v1alpha1.NodePortAllocationList)
		all.Items = append(all.Items, a)
	}
	return nil
}

func TestNodesThatComeTogetherHaveAllNumbersAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		claims := &claimsOf{numbers: []string{"30001", "30002"}}
		n := newNodes(claims, testingclock.NewFakePassiveClock(noon))
		q := priorityqueue.New[request]("test")
		defer q.ShutDown()
		for i := range 5000 {
			state := &v1alpha1.NodePortNodeState{Status: v1alpha1.NodePortNodeStateStatus{Mode: v1alpha1.ProxyModeAll, NodePorts: "30001"}}
			state.Name = fmt.Sprint("node-", i)
			n.watch().Create(t.Context(), event.CreateEvent{Object: state}, q)
		}
		if claims.asked != 0 {
			t.Error("it did not wait for the others")
		}
		for range claims.numbers { // Get waits until a number's turn has come
			item, _ := q.Get()
			q.Done(item)
		}
		if claims.asked != 1 {
			t.Errorf("all numbers were listed %d times for 5000 nodes", claims.asked)
		}
		if got := n.coverage.Modes()[v1alpha1.ProxyModeAll]; got != 5000 {
			t.Errorf("%d nodes are known", got)
		}
	})
}
