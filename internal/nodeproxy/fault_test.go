package nodeproxy

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// failing has calls of some methods fail.
func failing(err error, calls ...string) func(string) error {
	return func(call string) error {
		if slices.Contains(calls, call) {
			return err
		}
		return nil
	}
}

func TestAfterAFailureTheKernelIsReadAndMended(t *testing.T) {
	refused := &nft.Error{Errno: unix.EEXIST, Operation: "add element", Object: "service4"}
	because := func(errno unix.Errno) func(*world) {
		return func(w *world) { w.fake.Fail(failing(&nft.Error{Errno: errno}, "Apply"), nil) }
	}
	for name, fault := range map[string]func(*world){
		"a batch is refused":                 func(w *world) { w.fake.Fail(failing(refused, "Apply"), nil) },
		"something to delete is not there":   because(unix.ENOENT),
		"a chain is in use":                  because(unix.EBUSY),
		"there is no memory":                 because(unix.ENOMEM),
		"others change the table meanwhile":  because(unix.EAGAIN),
		"it is interrupted":                  because(unix.EINTR),
		"it changes while it is read back":   func(w *world) { w.fake.Fail(failing(netlink.ErrChanged, "Apply", "Read"), nil) },
		"the answer to a batch is lost":      func(w *world) { w.fake.Fail(nil, failing(nft.ErrDoubt, "Apply")) },
		"it does not fit":                    func(w *world) { w.fake.Fail(failing(nft.ErrTooLarge, "Apply"), nil) },
		"it cannot be read back":             func(w *world) { w.fake.Fail(failing(unix.ENOBUFS, "Apply", "Read"), nil) },
		"nor written":                        func(w *world) { w.fake.Fail(failing(unix.ENOBUFS, "Apply", "Install"), nil) },
		"nor is it heard that it is written": func(w *world) { w.fake.Fail(nil, failing(unix.ENOBUFS, "Apply", "Install")) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
				w.start()
				fault(w)
				w.serve("shop/web", "10.244.1.2", "10.244.1.3")
				w.pass(0)
				w.put("shop/api", "10.96.0.11", 30081, "10.244.1.4") // while it is out of step
				w.pass(50 * time.Millisecond)
				if s := w.agent.Status(); s.Failure == nil {
					t.Error("it is said to be in step")
				}
				w.fake.Fail(nil, nil)
				w.pass(time.Second)
				w.wantHeld(true, "10.96.0.10 . tcp . 80 : pick-2", "10.244.1.2 . 8080", "10.244.1.4 . 8080")
				w.wantHeld(false, "10.244.1.1 . 8080")
				if s := w.agent.Status(); s.Failure != nil || s.LastSync.IsZero() {
					t.Errorf("in the end: %+v", s)
				}
				w.wantMetric(metrics.Batches, "failed", 1, math.Inf(1))
				w.wantMetric(metrics.Resyncs, "batch_failed", 1, math.Inf(1))
			})
		})
	}
}

func TestTheTableIsTakenOverFromANodeProxyThatStillRuns(t *testing.T) {
	inWorld(t, func(w *world) {
		write := func(text string) {
			w.fake.Edit(func(t nft.Table) { t.Apply(nft.Change{Add: []nft.Element{nft.NodePortAddress(ip(text))}}) })
		}
		write("198.51.100.1")
		w.fake.Fail(failing(nft.ErrOwned, "Claim"), nil)
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.pass(time.Hour)
		w.wantHeld(true, "198.51.100.1")
		if s := w.agent.Status(); !errors.Is(s.Failure, nft.ErrOwned) || w.agent.proxy.Healthy() {
			t.Errorf("it says:\n%s", s)
		}
		write("198.51.100.2") // the other one's last
		w.fake.Fail(nil, nil)
		w.pass(takeOver)
		w.wantHeld(true, "10.96.0.10 . tcp . 80 : pick-1")
		w.wantHeld(false, "198.51.100.1", "198.51.100.2")
		if s := w.agent.Status(); s.Failure != nil || !w.agent.proxy.Healthy() {
			t.Errorf("in the end it says:\n%s", s)
		}
		w.wantMetric(metrics.Batches, "failed", 0, 0)
	})
}

func TestItIsTriedLessAndLessOften(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		w.fake.Calls()
		w.fake.Fail(failing(unix.ENOBUFS, "Apply", "Install"), nil)
		var attempts []int // in each minute
		for i := range 3 {
			for range 60 {
				w.put("shop/web", "10.96.0.10", 30080, fmt.Sprintf("10.244.1.%d", i+1)) // does not hurry it
				w.pass(time.Second)
			}
			calls := w.fake.Calls()
			attempts = append(attempts, len(slices.DeleteFunc(calls, func(call string) bool { return call == "Read" })))
		}
		if attempts[0] < 8 || attempts[0] > 12 || attempts[2] < 1 || attempts[2] > 2 {
			t.Errorf("attempts in one minute and the next: %v", attempts)
		}
		w.fake.Fail(nil, nil)
		w.pass(35 * time.Second)
		w.fake.Calls()
		w.fake.Fail(nil, failing(nft.ErrDoubt, "Apply"))
		w.serve("shop/web", "10.244.1.9")
		w.pass(time.Second)
		w.wantHeld(true, "10.244.1.9 . 8080")
		if calls := w.fake.Calls(); !slices.Equal(calls, []string{"Apply", "Read", "Install"}) {
			t.Errorf("the next failure begins anew: %v", calls)
		}
	})
}

// changes have something to be programmed.
var changes = map[string]func(*world){
	"of a Service": func(w *world) { w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1") },
	"of the node": func(w *world) {
		v := view()
		v.Network.NodePortIPs = nil
		w.node.become(v)
	},
}

func TestItIsUnhealthyOnceAChangeWaitsForLong(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.start()
				w.fake.Fail(failing(unix.ENOBUFS, "Apply", "Install"), nil)
				change(w)
				w.pass(patience - time.Second)
				if !w.agent.proxy.Healthy() {
					t.Error("it is unhealthy at once")
				}
				w.pass(2 * time.Second)
				if w.agent.proxy.Healthy() {
					t.Error("it is healthy")
				}
				w.fake.Fail(nil, nil)
				w.pass(35 * time.Second)
				if !w.agent.proxy.Healthy() {
					t.Error("it stays unhealthy")
				}
			})
		})
	}
}

// wantWaiting wants the metrics to say that a change waits since then, and the zero time that none does.
func (w *world) wantWaiting(since time.Time) {
	w.Helper()
	want := 0.0
	if !since.IsZero() {
		want = float64(since.UnixNano()) / 1e9
	}
	w.wantMetric(metrics.WaitingSince, "", want, want)
}

func TestAChangeWaitsSinceItWasSeenUntilTheKernelHasIt(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.start()
				w.wantWaiting(time.Time{})
				w.pass(30 * time.Second)
				w.fake.Fail(failing(unix.ENOBUFS, "Apply", "Install"), nil)
				change(w)
				first := time.Now()
				for range 3 {
					w.pass(10 * time.Minute)
					w.wantWaiting(first)
					w.put("shop/api", "10.96.0.11", 30081) // waits too, for less long
				}
				w.fake.Fail(nil, nil)
				w.pass(35 * time.Second)
				w.wantWaiting(time.Time{})
			})
		})
	}
}

func TestAChangeWaitsNoMoreWhereTheKernelNeedNotBeAsked(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.pass(time.Minute)
		w.fake.Calls()
		w.serve("shop/web", "10.244.1.1")
		w.pass(0)
		if calls := w.fake.Calls(); len(calls) > 0 {
			t.Errorf("calls: %v", calls)
		}
		w.wantWaiting(time.Time{})
		now := float64(time.Now().UnixNano()) / 1e9
		w.wantMetric(metrics.SyncLastQueued, "IPv4", now, now)
		w.wantMetric(metrics.SyncLast, "IPv4", now, now)
	})
}

func TestNothingWaitsForServicesThatAreNotServedHere(t *testing.T) {
	for _, mode := range []v1alpha1.ProxyMode{v1alpha1.ProxyModeLabelled, v1alpha1.ProxyModeNone} {
		t.Run(string(mode), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.options.Selection.Mode = mode
				ours := st.MakeService("shop/ours").ClusterIPs("10.96.0.9").NodePort(80, 30079).Label(v1alpha1.ServiceProxyNameLabel, "portolan")
				w.services.Modify(ours.Obj())
				w.start()
				before := w.metric(metrics.SyncLastQueued)
				for i := range 3 {
					w.pass(65 * time.Second)
					w.put("shop/theirs", "10.96.0.10", 30080+int32(i), "10.244.1.1")
					w.pass(0)
					w.wantWaiting(time.Time{})
				}
				if after := w.metric(metrics.SyncLastQueued); after != before {
					t.Errorf("a change was queued %v s after the last", after-before)
				}
			})
		})
	}
}

func TestANodeProxyThatCannotBeginHasAllOfItWaiting(t *testing.T) {
	for name, hinder := range map[string]func(*world){
		"the table is another's": func(w *world) { w.fake.Fail(failing(nft.ErrOwned, "Claim"), nil) },
		"the node is not known":  func(w *world) { w.node = newFakeNode() },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
				hinder(w)
				began := time.Now()
				w.start()
				w.pass(time.Hour)
				w.wantWaiting(began)
				w.fake.Fail(nil, nil)
				w.node.become(view())
				w.pass(takeOver)
				w.wantWaiting(time.Time{})
			})
		})
	}
}

func TestNothingToDoIsHealthyAndNoNews(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		synced := w.agent.Status().LastSync
		w.fake.Calls()
		w.node.become(view())
		w.pass(24 * time.Hour)
		if !w.agent.proxy.Healthy() {
			t.Error("it is unhealthy")
		}
		if calls := w.fake.Calls(); len(calls) > 0 {
			t.Errorf("calls: %v", calls)
		}
		if s := w.agent.Status(); !s.LastSync.Equal(synced) {
			t.Errorf("the last sync was %s after the first", s.LastSync.Sub(synced))
		}
		w.wantMetric(metrics.Resyncs, "start", 1, 1)
	})
}

func TestTheTableIsComparedOnlyWhenOthersHaveChangedSomething(t *testing.T) {
	theirOwn := func(nft.Table) {}
	inWorld(t, func(w *world) {
		w.fake.Disown()
		w.start()
		for range 3 {
			w.fake.Calls()
			w.pass(time.Hour)
			if calls := w.fake.Calls(); len(calls) > 0 {
				t.Errorf("while nobody changes anything: %v", calls)
			}
			w.fake.Edit(theirOwn)
			w.pass(time.Hour)
			if calls := w.fake.Calls(); !slices.Equal(calls, []string{"Read", "Install"}) {
				t.Errorf("after others have changed what is theirs: %v", calls)
			}
		}
		w.wantMetric(metrics.Resyncs, "foreign_change", 0, 0)
	})
}

func TestFlowsThatCannotBeForgottenLeaveTheNodeHealthyAndAreTriedAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		w.flows.fail(true)
		w.services.Modify(st.MakeService("kube-system/dns").ClusterIPs("10.96.0.10").Port(53, st.UDP).Obj())
		w.pass(5 * time.Minute)
		if s := w.agent.Status(); s.Failure != nil || !strings.Contains(s.String(), "node port, may be left: no module") {
			t.Errorf("it says:\n%s", s)
		}
		if !w.agent.proxy.Healthy() {
			t.Error("it is unhealthy, though its rules are in step")
		}
		w.put("shop/web", "10.96.0.11", 30080, "10.244.1.1")
		w.pass(0)
		w.wantHeld(true, "10.244.1.1 . 8080") // nothing waits for that
		w.flows.fail(false)
		w.pass(35 * time.Second)
		if forgotten := w.flows.forgotten(); len(forgotten) != 2 { // it looks twice
			t.Errorf("forgotten in the end: %v", forgotten)
		}
		if s := w.agent.Status(); s.FlowFailure != nil {
			t.Errorf("it says:\n%s", s)
		}
	})
}

func TestWhatOthersChangeIsMendedWhereTheyCanBeKeptFromNothing(t *testing.T) {
	meddle := func(w *world) {
		w.fake.Edit(func(t nft.Table) {
			delete(t, nft.NodePortAddress(ip("192.0.2.1")).Key)
			t.Apply(nft.Change{Add: []nft.Element{nft.NodePortAddress(ip("198.51.100.1"))}})
		})
	}
	inWorld(t, func(w *world) {
		w.fake.Disown()
		w.start()
		for i := range 3 {
			meddle(w)
			w.pass(lookAgain + time.Second)
			w.wantHeld(true, "192.0.2.1")
			w.wantHeld(false, "198.51.100.1")
			w.wantMetric(metrics.Resyncs, "foreign_change", float64(i+1), float64(i+1))
		}
		if text := w.agent.Status().String(); !strings.Contains(text, "Others can change its table on this node, so it is looked at every 30s.") {
			t.Errorf("it says:\n%s", text)
		}
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.pass(time.Second)
		w.fake.Edit(func(t nft.Table) { clear(t) })
		w.serve("shop/web") // which fails, so it is noticed
		w.pass(time.Second)
		w.wantHeld(true, "192.0.2.1", "10.96.0.10 . tcp . 80 : refuse")
	})
}

func TestAServiceThatThereWasNoRoomForIsServedOnceThereIs(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		api := types.NamespacedName{Namespace: "shop", Name: "api"}
		w.agent.unplanned[api] = track.Change{Name: api, Service: st.MakeService("shop/api").ClusterIPs("10.96.0.11").Port(80).Obj()}
		w.agent.conclude(nil)
		if text := w.agent.Status().String(); !strings.Contains(text, "There is no room for shop/api.") {
			t.Errorf("it says:\n%s", text)
		}
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.pass(time.Second)
		w.wantHeld(true, "10.96.0.11 . tcp . 80 : refuse")
		if text := w.agent.Status().String(); strings.Contains(text, "no room") {
			t.Errorf("it says:\n%s", text)
		}
	})
}

func TestAnEndInTheMiddleOfAPauseIsAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.fake.Fail(failing(unix.ENOBUFS, "Install"), nil)
		w.start()
		w.pass(time.Hour)
		before := time.Now()
		w.stop()
		synctest.Wait()
		if took := time.Since(before); took > 0 {
			t.Errorf("it took %s", took)
		}
	})
}
