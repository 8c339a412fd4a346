package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

const spread = 15 * time.Second

// world is an API server, and a Reporter that says what a test has it say. It belongs into a bubble of package synctest.
type world struct {
	*testing.T
	client   client.Client
	reporter *Reporter
	began    time.Time

	mu     sync.Mutex // guards all below
	state  State
	silent bool
	use    *v1alpha1.Activity // what there is to report of it; nil: what the cluster knows
	known  *v1alpha1.Activity // what it was last said to know
	asked  []string           // what the API server was, and when
	fail   func(call string) error
	logged []string
}

func inWorld(t *testing.T, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, began: time.Now(), state: State{NodeUID: "uid-1", Status: status("30080")}}
		scheme := runtime.NewScheme()
		w.must(v1alpha1.AddToScheme(scheme))
		w.client = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.NodePortNodeState{}).Build()
		w.reporter = New(Options{
			Node: "node-1", State: w.say, Activity: w.sayUse, Client: w.counted(), Spread: spread, Clock: clock.RealClock{},
			Log: funcr.New(func(_, args string) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.logged = append(w.logged, args)
			}, funcr.Options{}),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.reporter.Run(ctx)
		}()
		test(w)
		cancel()
		<-ended
	})
}

// status is that of a node in step that serves these numbers.
func status(nodePorts string) v1alpha1.NodePortNodeStateStatus {
	return v1alpha1.NodePortNodeStateStatus{
		Mode: v1alpha1.ProxyModeAll, NodePorts: nodePorts,
		LastSync:   &v1alpha1.LastSync{Time: metav1.NewTime(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC))},
		Conditions: []metav1.Condition{{Type: v1alpha1.NodeStateReady, Status: metav1.ConditionTrue, Reason: v1alpha1.NodeStateReasonServing}},
	}
}

func (w *world) say() (State, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state, !w.silent
}

func (w *world) sayUse(known *v1alpha1.Activity) *v1alpha1.Activity {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = known
	if w.use == nil {
		return known
	}
	return w.use
}

// isUsed changes what there is to report of the use of numbers.
func (w *world) isUsed(numbers string) {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	w.mu.Lock()
	w.use = &v1alpha1.Activity{Since: metav1.NewTime(w.began), From: metav1.NewTime(w.began), To: now, NodePorts: numbers}
	w.mu.Unlock()
	w.reporter.Changed()
}

// become changes what there is to report.
func (w *world) become(change func(*State)) {
	w.mu.Lock()
	change(&w.state)
	w.mu.Unlock()
	w.reporter.Changed()
}

// counted is the client, which notes what it is asked, and fails where it is to.
func (w *world) counted() client.Client {
	note := func(call string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked = append(w.asked, call)
		if w.fail != nil {
			return w.fail(call)
		}
		return nil
	}
	return interceptor.NewClient(w.client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, o ...client.GetOption) error {
			if err := note("get"); err != nil {
				return err
			}
			return c.Get(ctx, key, obj, o...)
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, o ...client.CreateOption) error {
			if err := note("create"); err != nil {
				return err
			}
			obj.SetUID("uid-of-state") // which the fake does not
			return c.Create(ctx, obj, o...)
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, o ...client.UpdateOption) error {
			if err := note("update"); err != nil {
				return err
			}
			return c.Update(ctx, obj, o...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, obj client.Object, o ...client.SubResourceUpdateOption) error {
			if err := note("update " + sub); err != nil {
				return err
			}
			return c.SubResource(sub).Update(ctx, obj, o...)
		},
	})
}

// calls are those since it was last asked.
func (w *world) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

func (w *world) failing(fail func(call string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = fail
}

func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// stored is what the API server has.
func (w *world) stored() *v1alpha1.NodePortNodeState {
	w.Helper()
	var s v1alpha1.NodePortNodeState
	w.must(w.client.Get(w.Context(), client.ObjectKey{Name: "node-1"}, &s))
	return &s
}

func (w *world) wantCalls(what string, want ...string) {
	w.Helper()
	if diff := cmp.Diff(want, w.calls()); diff != "" {
		w.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

func TestTheFirstReportMakesTheObject(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Hour)
		w.wantCalls("before anything is said to have changed")
		w.reporter.Changed()
		w.pass(spread)
		w.wantCalls("first", "get", "create", "update status")
		s := w.stored()
		if s.Status.NodePorts != "30080" || s.Status.Conditions[0].LastTransitionTime.IsZero() {
			t.Errorf("status: %+v", s.Status)
		}
		if o := s.OwnerReferences; len(o) != 1 || o[0].Kind != "Node" || o[0].Name != "node-1" || o[0].UID != "uid-1" {
			t.Errorf("owners: %v", o)
		}
		w.reporter.Changed()
		w.pass(LookInterval - spread)
		w.wantCalls("where nothing differs")
	})
}

func TestNothingIsReportedBeforeThereIsSomethingToSay(t *testing.T) {
	inWorld(t, func(w *world) {
		w.silent = true
		w.reporter.Changed()
		w.pass(time.Hour)
		w.wantCalls("silent")
	})
}

func TestANodeWritesOnceAMinuteAtMost(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reporter.Changed()
		w.pass(spread)
		w.calls()
		for i := range 600 {
			w.become(func(s *State) { s.Status.NodePorts = fmt.Sprint(30000 + i) })
			w.pass(time.Second)
		}
		if n := len(w.calls()); n < 8 || n > 10 {
			t.Errorf("%d writes in ten minutes", n)
		}
		w.pass(2 * time.Minute)
		if got := w.stored().Status.NodePorts; got != "30599" {
			t.Errorf("in the end %q is reported", got)
		}
	})
}

func TestNodesReportAtDifferentMoments(t *testing.T) {
	var moments []time.Duration
	for range 40 {
		inWorld(t, func(w *world) {
			w.reporter.Changed()
			for len(w.calls()) == 0 {
				w.pass(100 * time.Millisecond)
			}
			moments = append(moments, time.Since(w.began))
		})
	}
	slices.Sort(moments)
	if first, last := moments[0], moments[len(moments)-1]; first > spread/2 || last < spread/2 || last > spread+time.Second {
		t.Errorf("the first after %s, the last after %s", first, last)
	}
}

func TestWhenTheKernelLastTookAChangeAloneIsWrittenEveryTenMinutes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reporter.Changed()
		w.pass(spread)
		w.calls()
		sync := func() {
			w.become(func(s *State) {
				s.Status.LastSync = &v1alpha1.LastSync{Time: metav1.NewTime(time.Now().Truncate(time.Second))}
			})
		}
		for range 3600 {
			sync()
			w.pass(time.Second)
		}
		if n := len(w.calls()); n < 5 || n > 6 {
			t.Errorf("%d writes in an hour", n)
		}
		w.become(func(s *State) { s.Status.NodePorts = "30090" })
		w.pass(Interval + spread)
		w.wantCalls("something else differs too", "update status")
		sync()
		last := w.state.Status.LastSync.Time
		w.pass(SyncInterval + spread)
		w.wantCalls("nothing changes any more", "update status")
		if got := w.stored().Status.LastSync.Time; !got.Equal(&last) {
			t.Errorf("in the end %s is reported, want %s", got, last)
		}
	})
}

func TestTheUseOfNumbersAloneIsWrittenEveryOtherMinute(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reporter.Changed()
		w.pass(spread)
		w.isUsed("30080")
		w.pass(Interval)
		w.wantCalls("the first use", "get", "create", "update status", "update status")
		w.pass(ActivityInterval)
		w.isUsed("30080-30081")
		w.pass(spread)
		w.wantCalls("the first after a while", "update status")
		for i := range 600 {
			w.isUsed(fmt.Sprint(30000 + i))
			w.pass(time.Second)
		}
		if n := len(w.calls()); n < 4 || n > 5 {
			t.Errorf("%d writes in ten minutes", n)
		}
		w.pass(ActivityInterval + spread)
		if got := w.stored().Status.Activity.NodePorts; got != "30599" {
			t.Errorf("in the end %q is reported", got)
		}
	})
}

func TestTheUseOfNumbersIsWrittenAlongWithWhatCannotWait(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reporter.Changed()
		w.pass(spread)
		w.isUsed("30080")
		w.pass(Interval)
		w.calls()
		w.isUsed("30081")
		w.become(func(s *State) { s.Status.NodePorts = "30090" })
		w.pass(Interval)
		w.wantCalls("a number is programmed", "update status")
		if s := w.stored().Status; s.NodePorts != "30090" || s.Activity.NodePorts != "30081" {
			t.Errorf("it is reported that %q are in force and %q are used", s.NodePorts, s.Activity.NodePorts)
		}
	})
}

func TestWhatTheClusterKnowsOfTheUseOfNumbersIsWhatItTook(t *testing.T) {
	inWorld(t, func(w *world) {
		knows := func(want string) {
			t.Helper()
			w.reporter.Changed()
			w.pass(Interval + spread)
			w.mu.Lock()
			defer w.mu.Unlock()
			got := ""
			if w.known != nil {
				got = w.known.NodePorts
			}
			if got != want {
				t.Errorf("it is said to know of %q, want %q", got, want)
			}
		}
		knows("")
		w.isUsed("30080")
		w.pass(Interval + spread)
		knows("30080")
		w.failing(func(call string) error {
			if call == "update status" {
				return errors.New("no")
			}
			return nil
		})
		w.isUsed("30081")
		w.pass(ActivityInterval + spread)
		knows("30080")
		w.failing(nil)
		w.pass(ActivityInterval + spread)
		knows("30081")
		w.must(w.client.Delete(w.Context(), w.stored()))
		w.isUsed("30082")
		w.pass(2*ActivityInterval + spread)
		knows("30082")
	})
}

func TestAQuietNodeLooksNowAndThenWhetherItsReportIsThere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reporter.Changed()
		w.pass(spread)
		w.calls()
		w.pass(time.Hour)
		if calls := w.calls(); len(calls) < 4 || len(calls) > 5 || slices.ContainsFunc(calls, func(c string) bool { return c != "get" }) {
			t.Errorf("in a quiet hour it asks %q", calls)
		}
		w.must(w.client.Delete(w.Context(), w.stored()))
		w.pass(LookInterval*11/10 + spread)
		if calls := w.calls(); !slices.Equal(calls[:min(3, len(calls))], []string{"get", "create", "update status"}) {
			t.Errorf("after it was deleted it asks %q", calls)
		}
		if got := w.stored().Status.NodePorts; got != "30080" {
			t.Errorf("%q is reported", got)
		}
	})
}

func TestToLookDoesNotPutOffWhatIsToBeWritten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reporter.Changed()
		w.pass(spread)
		w.calls()
		w.pass(LookInterval*11/10 + spread)
		w.wantCalls("quiet", "get")
		w.become(func(s *State) {
			s.Status.LastSync = &v1alpha1.LastSync{Time: metav1.NewTime(time.Now().Truncate(time.Second))}
		})
		w.pass(Interval + spread)
		w.wantCalls("the kernel has taken a change", "update status")
	})
}

func TestAConditionKeepsTheTimeOfWhenItBecameSo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reporter.Changed()
		w.pass(spread)
		since := w.stored().Status.Conditions[0].LastTransitionTime
		w.become(func(s *State) { s.Status.NodePorts = "30090" })
		w.pass(Interval + spread)
		if got := w.stored().Status.Conditions[0].LastTransitionTime; !got.Equal(&since) {
			t.Errorf("it is %s, was %s", got, since)
		}
		w.become(func(s *State) {
			s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.NodeStateReady, Status: metav1.ConditionFalse, Reason: v1alpha1.NodeStateReasonNodeLeaving}}
		})
		w.pass(Interval + spread)
		if got := w.stored().Status.Conditions[0].LastTransitionTime; !got.After(since.Time) {
			t.Errorf("it is %s though it has changed, was %s", got, since)
		}
	})
}

func TestWhatAnotherHandHasChangedIsReadAgain(t *testing.T) {
	for name, meddle := range map[string]func(*world){
		"labelled": func(w *world) {
			s := w.stored()
			s.Labels = map[string]string{"rack": "7"}
			w.must(w.client.Update(w.Context(), s))
		},
		"deleted": func(w *world) { w.must(w.client.Delete(w.Context(), w.stored())) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.reporter.Changed()
				w.pass(spread)
				meddle(w)
				w.become(func(s *State) { s.Status.NodePorts = "30090" })
				w.pass(2*Interval + 2*spread)
				if got := w.stored().Status.NodePorts; got != "30090" {
					t.Errorf("%q is reported", got)
				}
			})
		})
	}
}

func TestTheObjectGoesToTheNodeThatHasTheNameNow(t *testing.T) {
	for name, restart := range map[string]bool{"while it runs": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.reporter.Changed()
				w.pass(spread)
				if restart {
					w.reporter.present = v1alpha1.NodePortNodeState{}
				}
				w.become(func(s *State) { s.NodeUID = "uid-2" })
				w.pass(Interval + spread)
				if o := w.stored().OwnerReferences; len(o) != 1 || o[0].UID != types.UID("uid-2") {
					t.Errorf("owners: %v", o)
				}
			})
		})
	}
}

func TestFailuresAreTriedAgainOnceAMinuteAndSaidOnce(t *testing.T) {
	resource := schema.GroupResource{Group: "portolan.dev", Resource: "nodeportnodestates"}
	for _, tc := range []struct {
		name, call string
		err        error
		want       string
	}{
		{"there is no such kind", "", apierrors.NewNotFound(resource, ""), "the cluster has no kind NodePortNodeState: install config/crd"},
		{"it may not", "create", apierrors.NewForbidden(resource, "node-1", errors.New("only the node-proxy on node node-1 writes it")), "create NodePortNodeState node-1"},
		{"the API server is away", "get", errors.New("connection refused"), "read NodePortNodeState node-1: connection refused"},
		{"it may not write the status", "update status", errors.New("no"), "write NodePortNodeState node-1: no"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				tries := 0
				w.failing(func(call string) error {
					if call == "get" {
						tries++
					}
					if tc.call == "" || call == tc.call {
						return tc.err
					}
					return nil
				})
				w.reporter.Changed()
				w.pass(10 * time.Minute)
				if tries < 8 || tries > 11 {
					t.Errorf("%d tries in ten minutes", tries)
				}
				if len(w.logged) != 1 || !strings.Contains(w.logged[0], tc.want) {
					t.Errorf("log: %q", w.logged)
				}
				w.failing(nil)
				w.pass(Interval + spread)
				if got := w.stored().Status.NodePorts; got != "30080" {
					t.Errorf("in the end %q is reported", got)
				}
			})
		})
	}
}
