package allocator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

func TestTheSameRequestAgainGetsTheSameNumbersAndMakesNoSecondClaim(t *testing.T) {
	w := newWorld(t)
	first := w.claim("shop/web", "http:80", "healthCheck:0")
	first.Commit()
	again := w.claim("shop/web", "http:80", "healthCheck:0")
	if diff := cmp.Diff(first.Requests, again.Requests); diff != "" {
		t.Errorf("(-first +again):\n%s", diff)
	}
	if n := len(w.claims()); n != 2 {
		t.Errorf("%d claims: %v", n, w.claims())
	}
	again.Revert(t.Context())
	if n := len(w.claims()); n != 2 {
		t.Errorf("what the first request claimed went with the second: %v", w.claims())
	}
}

func TestARepeatKeepsItsClaimFromLapsing(t *testing.T) {
	w := newWorld(t)
	w.claim("shop/web", "http:80=30001").Commit()
	w.clock.SetTime(start.Add(ClaimGrace - time.Second))
	w.claim("shop/web", "http:80=30001").Commit()
	w.clock.SetTime(start.Add(ClaimGrace + time.Second))
	if diff := cmp.Diff(map[string]string{"30001": "shop/web pending"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// comebacks are the ways in which a Service takes up 30005 again, which it has left: its claim is about to be released.
var comebacks = []struct {
	name    string
	claim   func(*v1alpha1.NodePortAllocationSpec) // as the Service has left it; nil: pending
	who     Claimant
	request Request
}{
	{"by a number to be picked", nil, claimant("shop/web"), ask("http:80")[0]},
	{"by an explicit number", nil, claimant("shop/web"), explicitly(ask("http:80=30005")...)[0]},
	{"by a change before it was bound", nil, liveClaimant, explicitly(ask("http:80=30005")...)[0]},
	{"by a change after it was bound", boundTo("live"), liveClaimant, explicitly(ask("http:80=30005")...)[0]},
}

var liveClaimant = Claimant{Service: named("shop/web"), UID: "live"}

// release is what the controllers write of a claim that they have seen.
func (w *world) release(seen *v1alpha1.NodePortAllocation) error {
	a := seen.DeepCopy()
	Release(&a.Spec, start, 0)
	return w.store.Update(w.Context(), a)
}

func TestAClaimIsTakenUpAgainThoughItWasReleasedOrIsAboutToBe(t *testing.T) {
	for _, c := range comebacks {
		for _, released := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, it was released: %t", c.name, released), func(t *testing.T) {
				w := newWorld(t)
				left := w.seed("shop/web", "http:80=30005", c.claim)
				if released {
					w.store.Watchers = nil // the view does not hear of it
					if err := w.release(left); err != nil {
						t.Fatal(err)
					}
				}
				claim, err := w.claimUnclaimed(c.who, c.request)
				if err != nil || claim.Requests[0].NodePort != 30005 {
					t.Fatalf("got %v, %v", claim, err)
				}
				claim.Commit()
				if err := w.release(left); !apierrors.IsConflict(err) {
					t.Errorf("the release that comes second: %v", err)
				}
				if diff := cmp.Diff(map[string]string{"30005": "shop/web pending"}, w.claims()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if now := w.store.List()["30005"].Spec.ClaimTime; !released && now.Equal(left.Spec.ClaimTime) {
					t.Error("nothing has changed: the API server would not have written it")
				}
			})
		}
	}
}

func TestWhatWasReleasedAndGivenToAnotherIsNotTakenUpAgain(t *testing.T) {
	for _, c := range comebacks {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			left := w.seed("shop/web", "http:80=30005", c.claim)
			w.store.Watchers = nil // the view does not hear of it
			if err := w.store.Delete(t.Context(), left); err != nil {
				t.Fatal(err)
			}
			w.seed("bank/core", "a:80=30005", nil)
			claim, err := w.claimUnclaimed(c.who, c.request)
			if picks := c.request.NodePort == 0; picks && (err != nil || claim.Requests[0].NodePort == 30005) || !picks && !errors.As(err, new(*TakenError)) {
				t.Errorf("got %v, %v", claim, err)
			}
		})
	}
}

// claimUnclaimed claims as the webhooks do: the validating one asks first what is to be claimed.
func (w *world) claimUnclaimed(who Claimant, r Request) (*Claim, error) {
	requests := []Request{r}
	if r.NodePort != 0 {
		requests = w.ledger.Unclaimed(who, requests)
	}
	if len(requests) == 0 {
		return nil, errors.New("it counts as claimed")
	}
	return w.ledger.Claim(w.Context(), who, requests, w.pools())
}

func TestWhatTheMutatingWebhookClaimsTheValidatingOneDoesNotWriteAgain(t *testing.T) {
	w := newWorld(t)
	behind := w.replica()
	claim := w.claim("shop/web", "http:80=30005")
	claim.Commit()
	before := w.store.List()["30005"]
	for name, l := range map[string]*Ledger{"of the same replica": w.ledger, "of one whose watch lags": behind} {
		if open := l.Unclaimed(claimant("shop/web"), ask("http:80=30005")); len(open) > 0 {
			again, err := l.Claim(t.Context(), claimant("shop/web"), open, w.pools())
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			again.Commit()
		}
		if diff := cmp.Diff(before, w.store.List()["30005"]); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
	}
}

func TestAServiceGetsAllOfItsNumbersOrNone(t *testing.T) {
	for _, c := range []struct {
		name     string
		taken    []int32 // by bank/core
		requests []string
		want     error
	}{
		{"fewer are free than asked for", []int32{30000, 30001, 30002, 30003, 30004, 30005, 30006, 30007, 30008}, []string{"a:80", "b:81"}, ErrExhausted},
		{"one is taken", []int32{30005}, []string{"a:80", "b:81=30005", "c:82=30006"}, &TakenError{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, n := range c.taken {
				w.seed("bank/core", fmt.Sprintf("a:80=%d", n), boundTo("1"))
			}
			before := w.claims()
			_, err := w.ledger.Claim(t.Context(), claimant("shop/web"), ask(c.requests...), w.pools())
			var taken *TakenError
			if wantTaken := !errors.Is(c.want, ErrExhausted); wantTaken != errors.As(err, &taken) || !wantTaken && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %T", err, c.want)
			}
			if taken != nil && (taken.Request.NodePort != 30005 || taken.Holder.Service != named("bank/core")) {
				t.Errorf("got %v", taken)
			}
			if diff := cmp.Diff(before, w.claims()); diff != "" {
				t.Errorf("the store has changed (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(c.taken, takenBy(w, "bank/core")); diff != "" {
				t.Errorf("the view has changed (-want +got):\n%s", diff)
			}
		})
	}
}

func takenBy(w *world, service string) []int32 {
	var numbers []int32
	for _, n := range taken(w.ledger) {
		if h := w.ledger.Holders(n); len(h) == 1 && h[0].Service == named(service) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func TestReplicasThatRaceForTheLastNumbersServeAllThatFit(t *testing.T) {
	for range 30 {
		w := newWorld(t)
		ledgers := []*Ledger{w.ledger, w.replica(), w.replica()} // only the first hears of the others
		var mu sync.Mutex
		holders := map[int32][]string{}
		refused := 0
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				service := fmt.Sprintf("shop-%d/web", i)
				c, err := ledgers[i%len(ledgers)].Claim(t.Context(), claimant(service), ask("http:80"), w.pools())
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, ErrExhausted):
					refused++
				case err != nil:
					t.Error(err)
				default:
					c.Commit()
					holders[c.Requests[0].NodePort] = append(holders[c.Requests[0].NodePort], service)
				}
			})
		}
		wg.Wait()
		if len(holders) != 10 || refused != 2 || len(w.claims()) != 10 {
			t.Fatalf("10 numbers for 12 Services: %v, %d refused", holders, refused)
		}
		for n, services := range holders {
			if len(services) != 1 {
				t.Fatalf("%d went to %v", n, services)
			}
		}
	}
}

func TestAPickedNumberThatSomebodyClaimedFirstIsPassedOver(t *testing.T) {
	w := newWorld(t)
	w.store.Watchers = nil // the view hears of nothing
	for n := 30000; n < 30009; n++ {
		w.seed("bank/core", fmt.Sprintf("a:80=%d", n), nil)
	}
	w.ledger.random = func() uint32 { return 0 }
	claim := w.claim("shop/web", "http:80")
	if got := claim.Requests[0].NodePort; got != 30009 {
		t.Errorf("got %d, want the only one free", got)
	}
	if claim.Conflicts != 9 {
		t.Errorf("%d conflicts were counted, want 9", claim.Conflicts)
	}
	if _, err := w.ledger.Claim(t.Context(), claimant("shop/api"), ask("http:80"), w.pools()); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v", err)
	}
}

func TestAnExplicitNumberThatTheViewDoesNotKnowToBeTaken(t *testing.T) {
	w := newWorld(t)
	w.store.Watchers = nil
	w.seed("bank/core", "a:80=30005", nil)
	_, err := w.ledger.Claim(t.Context(), claimant("shop/web"), ask("http:80=30005"), w.pools())
	var taken *TakenError
	if !errors.As(err, &taken) || taken.Holder.Service != named("bank/core") {
		t.Errorf("got %v", err)
	}
}

func TestATakeoverGoesByWhatIsThereNotByTheView(t *testing.T) {
	for _, c := range []struct {
		name string
		meet func(w *world, held *v1alpha1.NodePortAllocation) error // behind the view's back
		want map[string]string
	}{
		{"the hold has changed", func(w *world, held *v1alpha1.NodePortAllocation) error {
			return w.store.Update(w.Context(), held.DeepCopy())
		}, map[string]string{"30005": "shop/web pending"}},
		{"the hold has gone", func(w *world, held *v1alpha1.NodePortAllocation) error {
			return w.store.Delete(w.Context(), held)
		}, map[string]string{"30005": "shop/web pending"}},
		{"the hold is of another incarnation", func(w *world, held *v1alpha1.NodePortAllocation) error {
			if err := w.store.Delete(w.Context(), held); err != nil {
				return err
			}
			w.seed("shop/web", "http:80=30005", heldFor(time.Minute))
			return nil
		}, map[string]string{"30005": "shop/web pending"}},
		{"another namespace was faster", func(w *world, held *v1alpha1.NodePortAllocation) error {
			if err := w.store.Delete(w.Context(), held); err != nil {
				return err
			}
			w.seed("bank/core", "http:80=30005", nil)
			return nil
		}, map[string]string{"30005": "bank/core pending", "30000": "shop/web pending"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ledger.random = func() uint32 { return 0 }
			held := w.seed("shop/web", "http:80=30005", heldFor(time.Minute))
			w.store.Watchers = nil
			if err := c.meet(w, held); err != nil {
				t.Fatal(err)
			}
			w.claim("shop/web", "http:80").Commit()
			if diff := cmp.Diff(c.want, w.claims()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestARepeatGoesByWhatIsThereNotByTheView(t *testing.T) {
	w := newWorld(t)
	a := w.seed("shop/web", "http:80=30005", nil)
	w.store.Watchers = nil
	if err := w.store.Delete(t.Context(), a); err != nil { // another replica has withdrawn it
		t.Fatal(err)
	}
	w.claim("shop/web", "http:80").Commit()
	if diff := cmp.Diff(map[string]string{"30005": "shop/web pending"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The view did not know of the hold. Only an explicit number is worth it.
func TestAPickThatMeetsAHoldOfItsNamespacePassesOn(t *testing.T) {
	w := newWorld(t)
	w.store.Watchers = nil
	w.ledger.random = func() uint32 { return 5 }
	w.seed("shop/api", "http:80=30005", heldFor(time.Minute))
	w.claim("shop/web", "http:80").Commit()
	if diff := cmp.Diff(map[string]string{"30005": "shop/api held", "30006": "shop/web pending"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// While no webhook answered, the Service of a hold was made again, and nobody has bound it yet.
func TestAHoldWhoseServiceIsThereAgainIsNotTaken(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/web", "http:80=30005", heldFor(time.Minute))
	w.ledger.ServiceSeen(serviceOn("shop/web", 30005))
	if diff := cmp.Diff([]rules.Holder{{Service: named("shop/web")}}, w.ledger.Holders(30005)); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
	for _, c := range []Claimant{claimant("shop/api"), {Service: named("shop/api"), Reservation: "keep"}} {
		_, err := w.ledger.Claim(t.Context(), c, ask("http:80=30005"), w.pools())
		var taken *TakenError
		if !errors.As(err, &taken) || taken.Holder.Service != named("shop/web") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestALostAnswerDoesNotLeakASecondNumber(t *testing.T) {
	for _, c := range []struct {
		name, verb string
		held       bool
	}{{"to a create", "create", false}, {"to an update", "update", true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.held {
				w.seed("shop/web", "http:80=30005", heldFor(time.Minute))
			}
			before := w.claims()
			w.store.After = func(verb, _ string) error {
				if verb == c.verb {
					return apierrors.NewInternalError(errors.New("connection reset"))
				}
				return nil
			}
			claim := w.claim("shop/web", "http:80")
			if len(w.claims()) != 1 || w.claims()[NameOf(claim.Requests[0].NodePort)] != "shop/web pending" {
				t.Errorf("got %d, the store has %v", claim.Requests[0].NodePort, w.claims())
			}
			w.store.After = nil
			claim.Revert(t.Context())
			if diff := cmp.Diff(before, w.claims()); diff != "" {
				t.Errorf("it is not undone (-before +after):\n%s", diff)
			}
		})
	}
}

func TestARefusalOfTheStoreEndsTheClaim(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
	}{
		{"the kind is not there", apierrors.NewNotFound(allocations, "")},
		{"not allowed", apierrors.NewForbidden(allocations, "", nil)},
		{"not reached", apierrors.NewServiceUnavailable("down")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			calls := 0
			w.store.Before = func(string, string) error { calls++; return c.err }
			_, err := w.ledger.Claim(t.Context(), claimant("shop/web"), ask("http:80"), w.pools())
			if !errors.Is(err, c.err) || calls > 2 {
				t.Errorf("got %v after %d calls", err, calls)
			}
			if got := taken(w.ledger); got != nil {
				t.Errorf("the view has lost %v", got)
			}
		})
	}
}

// The API server takes its time: the webhook answers at its deadline, and what is written later is undone.
func TestAClaimThatMissesItsDeadlineIsUndone(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after time.Duration
	}{{"before it is written", 3 * time.Second, 0}, {"after it is written", 0, 3 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				slow := func(d time.Duration) func(string, string) error {
					return func(verb, name string) error {
						if verb == "create" && name == "30005" {
							time.Sleep(d)
						}
						return nil
					}
				}
				w.store.Before, w.store.After = slow(c.before), slow(c.after)
				held := w.seed("shop/web", "held:82=30007", heldFor(time.Minute))
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				begun := time.Now()
				_, err := w.ledger.Claim(ctx, claimant("shop/web"), ask("a:80", "b:81=30005", "held:82"), w.pools())
				if waited := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || waited != 2*time.Second {
					t.Errorf("got %v after %s", err, waited)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if diff := cmp.Diff(map[string]string{held.Name: "shop/web held"}, w.claims()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]int32{30007}, taken(w.ledger)); diff != "" {
					t.Errorf("the view (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestARecreatedServiceGetsItsNumbersBack(t *testing.T) {
	held := func(requests ...string) func(*world) {
		return func(w *world) {
			for _, r := range requests {
				w.seed("shop/web", r, heldFor(time.Minute))
			}
		}
	}
	for _, c := range []struct {
		name     string
		left     func(*world)
		requests []string
		want     []int32 // 30000 is the first that is picked
	}{
		{"by name", held("http:80=30005", "https:443=30006"), []string{"https:8443", "http:8080"}, []int32{30006, 30005}},
		{"by protocol and port where the name is another", held("http:80=30005"), []string{"web:80"}, []int32{30005}},
		{"names decide before ports, in whatever order they stand", held("http:80=30005"), []string{"web:80", "http:8080"}, []int32{30000, 30005}},
		{"an entry unlike any of its last life's", held("http:80=30005"), []string{"grpc:9000"}, []int32{30000}},
		{"the health check's", held("healthCheck:0=30005", "http:80=30006"), []string{"http:80", "healthCheck:0"}, []int32{30006, 30005}},
		{"none of another Service", func(w *world) { w.seed("shop/api", "http:80=30005", heldFor(time.Minute)) }, []string{"http:80"}, []int32{30000}},
		{"a hold that has just ended", held("http:80=30005"), []string{"http:80"}, []int32{30005}},
		{"a bound claim of a Service that has just been deleted", func(w *world) { w.seed("shop/web", "http:80=30005", boundTo("old")) }, []string{"http:80"}, []int32{30005}},
		{"not one that somebody else carries by now", func(w *world) {
			held("http:80=30005")(w)
			w.ledger.ServiceSeen(serviceOn("bank/core", 30005))
		}, []string{"http:80"}, []int32{30000}},
		{"one that the view still sees on the old Service", func(w *world) {
			w.seed("shop/web", "http:80=30005", boundTo("old"))
			w.ledger.ServiceSeen(serviceOn("shop/web", 30005))
		}, []string{"http:80"}, []int32{30005}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ledger.random = func() uint32 { return 0 }
			c.left(w)
			if c.name == "a hold that has just ended" {
				w.clock.SetTime(start.Add(time.Hour))
			}
			if diff := cmp.Diff(c.want, numbersOf(w.claim("shop/web", c.requests...).Requests)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestALiveServiceKeepsItsNumbersApart(t *testing.T) {
	w := newWorld(t)
	w.ledger.random = func() uint32 { return 0 }
	w.seed("shop/web", "http:80=30005", boundTo("live"))
	w.seed("shop/web", "https:443=30006", boundTo("former")) // its last life's
	w.seed("shop/web", "http:80=30004", nil)                 // an earlier attempt's, which now stands in the manifest
	c := Claimant{Service: named("shop/web"), UID: "live", Uses: []int32{30000, 30004, 30005}}
	claim, err := w.ledger.Claim(t.Context(), c, ask("http:8080", "https:443"), w.pools())
	if err != nil {
		t.Fatal(err)
	}
	// 30005 is the live Service's, 30000 stands in the manifest and is claimed later.
	if diff := cmp.Diff([]int32{30001, 30006}, numbersOf(claim.Requests)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatTheSameClaimAsksForIsNotPicked(t *testing.T) {
	w := newWorld(t)
	w.ledger.random = func() uint32 { return 0 }
	w.seed("shop/web", "c:82=30001", heldFor(time.Minute))
	claim := w.claim("shop/web", "a:80", "b:81=30000", "c:82")
	if diff := cmp.Diff([]int32{30002, 30000, 30001}, numbersOf(claim.Requests)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhoseClaimMayBeTakenOver(t *testing.T) {
	for _, c := range []struct {
		name, owner string
		claim       func(*v1alpha1.NodePortAllocationSpec)
		want        bool
	}{
		{"its own hold", "shop/web", heldFor(time.Minute), true},
		{"its own pending claim", "shop/web", nil, true},
		{"its own lapsed claim", "shop/web", claimedFor(time.Hour), true},
		{"a hold of its namespace", "shop/api", heldFor(time.Minute), true},
		{"a hold of its namespace that has ended", "shop/api", heldFor(0), true},
		{"a Service of its namespace", "shop/api", boundTo("1"), false},
		{"a Service of its namespace that is being created", "shop/api", nil, false},
		{"a claim of its namespace that nobody has confirmed to be left", "shop/api", claimedFor(time.Hour), false},
		{"a hold of another namespace", "bank/api", heldFor(time.Minute), false},
		{"a hold of another namespace that has ended", "bank/api", heldFor(0), false},
		{"a Service of another namespace", "bank/api", boundTo("1"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.seed(c.owner, "http:80=30005", c.claim)
			before := w.store.List()["30005"]
			claim, err := w.ledger.Claim(t.Context(), claimant("shop/web"), ask("http:80=30005"), w.pools())
			var taken *TakenError
			if got := !errors.As(err, &taken); got != c.want {
				t.Fatalf("got %v", err)
			}
			if !c.want {
				if diff := cmp.Diff(before, w.store.List()["30005"]); diff != "" {
					t.Errorf("(-before +after):\n%s", diff)
				}
				return
			}
			if got := w.claims()["30005"]; got != "shop/web pending" {
				t.Errorf("got %s", got)
			}
			claim.Revert(t.Context())
			if diff := cmp.Diff(before.Spec, w.store.List()["30005"].Spec); diff != "" {
				t.Errorf("not as before after Revert (-before +after):\n%s", diff)
			}
		})
	}
}

func TestWhatATakeoverLeavesIsHeldAgainWhenItLapses(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/web", "http:80=30005", boundTo("old"))
	w.claim("shop/web", "http:80").Commit()
	w.clock.SetTime(start.Add(ClaimGrace))
	if diff := cmp.Diff(map[string]string{"30005": "shop/web held"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnEntryDoesNotGetBackANumberThatAnotherEntryAsksFor(t *testing.T) {
	w := newWorld(t)
	w.ledger.random = func() uint32 { return 0 }
	w.seed("shop/web", "http:80=30005", heldFor(time.Minute))
	c := Claimant{Service: named("shop/web"), Uses: []int32{30005}} // it stands in the manifest
	claim, err := w.ledger.Claim(t.Context(), c, ask("http:80"), w.pools())
	if err != nil || claim.Requests[0].NodePort != 30000 {
		t.Errorf("got %v, %v", claim, err)
	}
}

func TestAHoldThatWasAnothersIsNotHeldForWhoTookIt(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/api", "http:80=30005", heldFor(time.Hour))
	w.claim("shop/web", "http:80=30005").Commit()
	w.clock.SetTime(start.Add(ClaimGrace))
	if diff := cmp.Diff(map[string]string{"30005": "shop/web lapsed"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The API server has allocated the first attempt's number already, and would refuse it to the second.
func TestAnUpdateThatIsRepeatedPicksAnotherNumber(t *testing.T) {
	w := newWorld(t)
	w.ledger.random = func() uint32 { return 0 }
	c := Claimant{Service: named("shop/web"), UID: "live"}
	for _, want := range []int32{30000, 30001} {
		claim, err := w.ledger.Claim(t.Context(), c, ask("http:80"), w.pools())
		if err != nil || claim.Requests[0].NodePort != want {
			t.Fatalf("got %v, %v, want %d", claim, err, want)
		}
		claim.Commit()
	}
}

// What an update claimed that then conflicted, Kubernetes keeps from everybody for minutes: who tries a creation again with the
// number would be refused each time.
func TestACreationThatCameToNothingTriesAnotherNumber(t *testing.T) {
	for _, c := range []struct {
		name string
		seed func(*v1alpha1.NodePortAllocationSpec)
		pool *v1alpha1.NodePortPool
		want int32
	}{
		{"which may still be under way", claimedFor(underwayFor), poolOf("a", 30000, 30009, -1), 30005},
		{"some seconds ago", claimedFor(underwayFor + time.Second), poolOf("a", 30000, 30009, -1), 30000},
		{"and its namespace may have no other", claimedFor(underwayFor + time.Second), poolOf("a", 30000, 30009, 1), 30005},
		{"and there is no other", claimedFor(underwayFor + time.Second), poolOf("a", 30005, 30005, -1), 30005},
		{"and the number is from its last life", func(s *v1alpha1.NodePortAllocationSpec) {
			heldFor(time.Hour)(s)
			claimedFor(underwayFor + time.Second)(s)
		}, poolOf("a", 30000, 30009, -1), 30005},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ledger.PoolSeen(c.pool)
			w.ledger.random = func() uint32 { return 0 }
			w.seed("shop/web", "http:80=30005", c.seed)
			claim, err := w.ledger.Claim(t.Context(), claimant("shop/web"), ask("http:80"), []*rules.Pool{w.ledger.Chart().Pool("a")})
			if err != nil || claim.Requests[0].NodePort != c.want {
				t.Errorf("got %v, %v, want %d", claim, err, c.want)
			}
		})
	}
}

func TestACreationTriesNoOtherNumberAtTheCostOfAHold(t *testing.T) {
	w := newWorld(t)
	w.ledger.PoolSeen(poolOf("a", 30000, 30001, -1))
	w.seed("bank/core", "http:80=30000", heldFor(time.Hour))
	w.seed("shop/web", "http:80=30001", claimedFor(underwayFor+time.Second))
	if _, err := w.ledger.Claim(t.Context(), claimant("shop/web"), ask("http:80"), []*rules.Pool{w.ledger.Chart().Pool("a")}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"30000": "bank/core held", "30001": "shop/web pending"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestACreationThatCameToNothingKeepsItsStableNumber(t *testing.T) {
	w := newWorld(t)
	pool := poolOf("a", 30000, 30009, -1)
	pool.Spec.Strategy = v1alpha1.StrategyStable
	w.ledger.PoolSeen(pool)
	first := numbersOf(w.claim("shop/web", "http:80").Requests)
	w.clock.SetTime(start.Add(underwayFor + time.Second))
	if diff := cmp.Diff(first, numbersOf(w.claim("shop/web", "http:80").Requests)); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

// A claim that fails answers at its deadline, however long it takes to undo what was written.
func TestARevertDoesNotKeepTheRequestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.seed("bank/core", "http:80=30005", boundTo("1"))
		w.store.Before = func(verb, _ string) error {
			if verb == "delete" {
				time.Sleep(4 * time.Second)
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begun := time.Now()
		_, err := w.ledger.Claim(ctx, claimant("shop/web"), ask("a:80", "b:81=30005"), w.pools())
		if waited := time.Since(begun); !errors.As(err, new(*TakenError)) || waited != 2*time.Second {
			t.Errorf("got %v after %s", err, waited)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff(map[string]string{"30005": "bank/core bound"}, w.claims()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestRevertLeavesAloneWhatIsNotItsOwnAnyMore(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world, a *v1alpha1.NodePortAllocation) error
		want   map[string]string
	}{
		{"the controllers have bound it", func(w *world, a *v1alpha1.NodePortAllocation) error {
			boundTo("new")(&a.Spec)
			return w.store.Update(w.Context(), a)
		}, map[string]string{"30005": "shop/web bound"}},
		{"it is of another incarnation", func(w *world, a *v1alpha1.NodePortAllocation) error {
			err := w.store.Delete(w.Context(), a)
			w.seed("bank/core", "a:80=30005", nil)
			return err
		}, map[string]string{"30005": "bank/core pending"}},
		{"it has gone", func(w *world, a *v1alpha1.NodePortAllocation) error {
			return w.store.Delete(w.Context(), a)
		}, map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			claim := w.claim("shop/web", "http:80=30005")
			w.store.Watchers = nil // the view does not hear of it
			if err := c.change(w, w.store.List()["30005"]); err != nil {
				t.Fatal(err)
			}
			claim.Revert(t.Context())
			if diff := cmp.Diff(c.want, w.claims()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsCommittedIsNotReverted(t *testing.T) {
	w := newWorld(t)
	claim := w.claim("shop/web", "http:80=30005")
	claim.Commit()
	claim.Revert(t.Context())
	if diff := cmp.Diff(map[string]string{"30005": "shop/web pending"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPreviewWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.ledger.random = func() uint32 { return 0 }
	w.seed("shop/web", "http:80=30005", heldFor(time.Minute))
	w.store.Before = func(verb, name string) error { return fmt.Errorf("%s %s", verb, name) }
	for _, c := range []struct {
		name  string
		reuse bool
		want  []int32
	}{{"a dry-run answers as it would be", true, []int32{30005, 30000}}, {"a Service that exists does not get its own", false, []int32{30000, 30001}}} {
		t.Run(c.name, func(t *testing.T) {
			got, err := w.ledger.Preview(claimant("shop/web"), ask("http:80", "https:443"), w.pools(), c.reuse)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, numbersOf(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]int32{30005}, taken(w.ledger)); diff != "" {
				t.Errorf("the view has changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingIsHandedOutBeforeReplay(t *testing.T) {
	w := newWorld(t)
	synced := false
	unready := New(w.store, w.clock)
	unready.feeds = []func() bool{func() bool { return synced }}
	try := func() error {
		_, errClaim := unready.Claim(t.Context(), claimant("shop/web"), ask("http:80"), w.pools())
		_, errPreview := unready.Preview(claimant("shop/web"), ask("http:80"), w.pools(), true)
		if (errClaim == nil) != unready.Ready() || (errPreview == nil) != unready.Ready() {
			t.Errorf("Ready is %v, Claim says %v, Preview says %v", unready.Ready(), errClaim, errPreview)
		}
		return errClaim
	}
	if err := try(); !errors.Is(err, ErrNotReady) {
		t.Errorf("without a range: %v", err)
	}
	unready.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 30009})
	if err := try(); !errors.Is(err, ErrNotReady) {
		t.Errorf("before the first lists: %v", err)
	}
	synced = true
	if err := try(); err != nil {
		t.Errorf("when all is there: %v", err)
	}
}

func TestWithdrawGivesUpWhatAnEarlierRequestClaimed(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/web", "a:80=30000", nil)
	w.seed("shop/web", "b:81=30001", nil)
	w.seed("shop/web", "c:82=30002", boundTo("1"))
	w.seed("shop/web", "d:83=30003", heldFor(time.Minute))
	w.seed("shop/web", "e:84=30004", func(s *v1alpha1.NodePortAllocationSpec) {
		claimed := s.ClaimTime
		heldFor(time.Minute)(s)
		s.ClaimTime = claimed
	})
	w.seed("shop/web", "f:85=30005", nil)
	w.ledger.ServiceSeen(serviceOn("shop/web", 30005))
	w.seed("shop/api", "a:80=30006", nil)
	w.ledger.Withdraw(t.Context(), w.ledger.Abandoned(named("shop/web"), []int32{30001}))
	want := map[string]string{
		"30001": "shop/web pending", // kept
		"30002": "shop/web bound",
		"30003": "shop/web held",
		"30004": "shop/web held",    // again
		"30005": "shop/web pending", // the Service has it, and the controllers have yet to bind it
		"30006": "shop/api pending",
	}
	if diff := cmp.Diff(want, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if slices.Contains(taken(w.ledger), 30000) {
		t.Error("30000 is still taken")
	}
}

func TestUnclaimedAreThoseThatThisServiceHasYetToClaim(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/web", "a:80=30000", nil)
	w.seed("shop/web", "b:81=30001", boundTo("live"))
	w.seed("shop/web", "c:82=30002", boundTo("former"))
	w.seed("shop/web", "d:83=30003", heldFor(time.Minute))
	w.seed("shop/web", "e:84=30004", claimedFor(ClaimGrace/2))
	w.seed("shop/api", "f:85=30005", nil)
	w.seed("shop/web", "h:87=30007", nil)
	w.seed("shop/web", "i:88=30008", func(s *v1alpha1.NodePortAllocationSpec) { s.ReservationName, s.ClaimTime = "web", nil })
	requests := ask("a:80=30000", "b:81=30001", "c:82=30002", "d:83=30003", "e:84=30004", "f:85=30005", "g:86=30006")
	requests = append(requests, explicitly(ask("h:87=30007", "i:88=30008")...)...)
	var got []int32
	for _, r := range w.ledger.Unclaimed(Claimant{Service: named("shop/web"), UID: types.UID("live")}, requests) {
		got = append(got, r.NodePort)
	}
	if diff := cmp.Diff([]int32{30001, 30002, 30003, 30004, 30005, 30006, 30007}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
