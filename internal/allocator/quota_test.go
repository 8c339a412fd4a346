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
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// pool lays a pool over numbers from 30000 on; limit is what a namespace may have, negative for no quota.
func poolOf(name string, from, to int32, limit int32) *v1alpha1.NodePortPool {
	pool := &v1alpha1.NodePortPool{}
	pool.Name = name
	pool.Spec.Ranges = []v1alpha1.PortRange{{From: from, To: to}}
	if limit >= 0 {
		pool.Spec.MaxPortsPerNamespace = &limit
	}
	return pool
}

// lagging is a watch that delivers to a ledger in order, each event a moment after it happened.
type lagging struct {
	events chan func()
	ledger *Ledger
}

func watchWithLag(watches *sync.WaitGroup, l *Ledger, lag time.Duration) lagging {
	w := lagging{events: make(chan func(), 1000), ledger: l}
	watches.Go(func() {
		for event := range w.events {
			time.Sleep(lag)
			event()
		}
	})
	return w
}

func (w lagging) AllocationSeen(a *v1alpha1.NodePortAllocation) {
	w.events <- func() { w.ledger.AllocationSeen(a) }
}

func (w lagging) AllocationGone(a *v1alpha1.NodePortAllocation) {
	w.events <- func() { w.ledger.AllocationGone(a) }
}

func TestALimitIsExactHoweverManyReplicasClaimAtOnce(t *testing.T) {
	const limit, creators, replicas = 20, 32, 3
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.store.Watchers = nil
			var ledgers []*Ledger
			var watches sync.WaitGroup
			defer watches.Wait()
			for i := range replicas {
				l := w.replica()
				l.hope = time.Second
				l.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 30099})
				l.PoolSeen(poolOf("team-a", 30000, 30099, limit))
				watch := watchWithLag(&watches, l, time.Duration(i+1)*time.Millisecond)
				defer close(watch.events)
				w.store.Watchers = append(w.store.Watchers, watch)
				ledgers = append(ledgers, l)
			}
			var mu sync.Mutex
			given, over := 0, 0
			var wg sync.WaitGroup
			for i := range creators {
				wg.Go(func() {
					l := ledgers[i%replicas]
					c, err := l.Claim(t.Context(), claimant(fmt.Sprint("shop/web", i)), ask("http:80"), l.Chart().Pools()[:1])
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						c.Commit()
						given++
					case errors.As(err, new(*QuotaError)):
						over++
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if given != limit || over != creators-limit || len(w.claims()) != limit {
				t.Errorf("of %d creators %d got a number and %d were over the limit of %d; %d claims are left", creators, given, over, limit, len(w.claims()))
			}
		})
	}
}

func TestAListAfterABrokenWatchCountsAsEarlier(t *testing.T) {
	for _, c := range []struct {
		name  string
		learn bool // of the other claim, by reading it
	}{{"what was not known", false}, {"what was known before the list", true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.store.Watchers = nil
			w.ledger.PoolSeen(poolOf("team-a", 30000, 30009, 2))
			other := w.seed("shop/other", "http:80=30009", nil) // by another replica, while our watch is broken
			foreign := w.seed("bank/core", "http:80=30000", nil)
			w.store.After = func(verb, name string) error {
				if verb == "create" {
					// The list has all; they come in the order of their names, so that ours is before the other.
					mine := w.store.List()[name]
					w.ledger.AllocationsListed([]*v1alpha1.NodePortAllocation{foreign, mine, other})
					w.ledger.AllocationSeen(foreign)
					w.ledger.AllocationSeen(mine)
				}
				return nil
			}
			if c.learn {
				w.ledger.learn(other)
			}
			_, err := w.ledger.Claim(t.Context(), claimant("shop/web"), ask("a:80=30001", "b:81=30002"), w.pools()[:1])
			if !errors.As(err, new(*QuotaError)) {
				t.Errorf("got %v, want the other claim to count", err)
			}
		})
	}
}

func TestARefusedClaimWaitsForOneInFlightThatComesToNothing(t *testing.T) {
	w := newWorld(t)
	w.ledger.hope = time.Minute
	w.ledger.PoolSeen(poolOf("team-a", 30000, 30009, 1))
	first := w.claim("shop/web", "http:80")
	done := make(chan error)
	go func() {
		_, err := w.ledger.Claim(t.Context(), claimant("shop/api"), ask("http:80"), w.pools())
		done <- err
	}()
	first.Revert(t.Context())
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestARefusalStandsWhereTheTimeIsUpInTheMiddleOfAnotherTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ledger.hope = 3 * time.Second
		w.ledger.PoolSeen(poolOf("team-a", 30000, 30009, 1))
		first := w.claim("shop/web", "http:80")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // of the webhook
		defer cancel()
		done := make(chan error)
		go func() {
			_, err := w.ledger.Claim(ctx, claimant("shop/api"), ask("http:80"), w.pools())
			done <- err
		}()
		synctest.Wait()
		w.store.Before = func(verb, _ string) error {
			if verb == "create" { // the API server is slow all of a sudden
				time.Sleep(5 * time.Second)
			}
			return nil
		}
		first.Revert(t.Context())
		if err := <-done; !errors.As(err, new(*QuotaError)) {
			t.Errorf("got %v, want the refusal of the try before", err)
		}
		time.Sleep(time.Minute) // what is still being written is undone
		if left := w.store.List(); len(left) > 0 {
			t.Errorf("left are %v", left)
		}
	})
}

func TestHoldsAreGivenUpUnderPressure(t *testing.T) {
	hold := func(d time.Duration) func(*v1alpha1.NodePortAllocationSpec) { return heldFor(d) }
	reserved := func(s *v1alpha1.NodePortAllocationSpec) { s.ClaimTime, s.ReservationName = nil, "promise" }
	type seed struct {
		service, request string
		adjust           func(*v1alpha1.NodePortAllocationSpec)
	}
	for _, c := range []struct {
		name    string
		pools   []*v1alpha1.NodePortPool
		seeds   []seed
		asks    []string // of shop/web
		want    []int32  // the numbers it gets
		gone    []string // claims that made room
		wantErr string
	}{{
		name:  "at its limit a namespace gives up its own oldest hold",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30009, 2)},
		seeds: []seed{{"shop/x", "http:80=30001", hold(time.Minute)}, {"shop/y", "http:80=30002", hold(2 * time.Minute)}, {"bank/z", "http:80=30003", hold(time.Second)}},
		asks:  []string{"http:80=30005"}, want: []int32{30005}, gone: []string{"30001"},
	}, {
		name:  "a hold that the Service comes for is not given up for it",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30009, 2)},
		seeds: []seed{{"shop/web", "http:80=30001", hold(time.Minute)}, {"shop/y", "http:80=30002", hold(2 * time.Minute)}},
		asks:  []string{"http:80", "admin:81=30005"}, want: []int32{30001, 30005}, gone: []string{"30002"},
	}, {
		name:  "what is in use or reserved is not given up",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30009, 2)},
		seeds: []seed{{"shop/x", "http:80=30001", boundTo("1")}, {"shop/y", "http:80=30002", reserved}},
		asks:  []string{"http:80"}, wantErr: `pool "a": 2 of 2 node ports are used, 1 more are asked for`,
	}, {
		name:  "nothing is given up where it would not be enough",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30009, 2)},
		seeds: []seed{{"shop/x", "http:80=30001", boundTo("1")}, {"shop/y", "http:80=30002", hold(time.Minute)}},
		asks:  []string{"a:80", "b:81"}, wantErr: `pool "a": 2 of 2 node ports are used, 2 more are asked for`,
	}, {
		name:  "a limit of one pool passes on to the next",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30004, 1), poolOf("b", 30005, 30005, -1)},
		seeds: []seed{{"shop/x", "http:80=30001", boundTo("1")}},
		asks:  []string{"http:80"}, want: []int32{30005},
	}, {
		name:  "what the first pool would give up stays where the next one serves",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30004, 1), poolOf("b", 30005, 30005, -1)},
		seeds: []seed{{"shop/x", "http:80=30001", boundTo("1")}, {"shop/y", "http:80=30002", hold(time.Minute)}},
		asks:  []string{"http:80"}, want: []int32{30005}, gone: []string{},
	}, {
		name:  "a full pool gives up the oldest hold of the namespace that holds most",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30003, -1)},
		seeds: []seed{{"bank/x", "http:80=30000", hold(time.Second)}, {"desk/x", "http:80=30001", hold(3 * time.Minute)},
			{"desk/y", "http:80=30002", hold(2 * time.Minute)}, {"bank/y", "http:80=30003", boundTo("1")}},
		asks: []string{"http:80"}, want: []int32{30002}, gone: []string{},
	}, {
		name:  "a pool with free numbers comes before the holds of a full one",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30000, -1), poolOf("b", 30005, 30005, -1)},
		seeds: []seed{{"bank/x", "http:80=30000", hold(time.Minute)}},
		asks:  []string{"http:80"}, want: []int32{30005},
	}, {
		name:  "a full pool at whose limit the namespace is gives up one hold, not two",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30001, 2)},
		seeds: []seed{{"shop/x", "http:80=30000", hold(time.Minute)}, {"shop/y", "http:80=30001", hold(2 * time.Minute)}},
		asks:  []string{"http:80"}, want: []int32{30000}, gone: []string{},
	}, {
		name:  "a full pool without holds has nothing to give",
		pools: []*v1alpha1.NodePortPool{poolOf("a", 30000, 30000, -1)},
		seeds: []seed{{"bank/x", "http:80=30000", reserved}},
		asks:  []string{"http:80"}, wantErr: ErrExhausted.Error(),
	}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, pool := range c.pools {
				w.ledger.PoolSeen(pool)
			}
			before := map[string]bool{}
			for _, s := range c.seeds {
				before[w.seed(s.service, s.request, s.adjust).Name] = true
			}
			claim, err := w.ledger.Claim(t.Context(), claimant("shop/web"), ask(c.asks...), w.pools()[:len(c.pools)])
			if c.wantErr != "" {
				if err == nil || err.Error() != c.wantErr {
					t.Errorf("got %v, want %s", err, c.wantErr)
				}
				if got := len(w.store.List()); got != len(c.seeds) {
					t.Errorf("%d claims are left of %d: %v", got, len(c.seeds), w.claims())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, numbersOf(claim.Requests)); diff != "" {
				t.Errorf("numbers (-want +got):\n%s", diff)
			}
			for name := range before {
				if gone := w.store.List()[name] == nil; gone != slices.Contains(c.gone, name) {
					t.Errorf("the claim of %s is gone: %t", name, gone)
				}
			}
		})
	}
}

func TestAHoldMakesRoomUnlessSomebodyHasComeForIt(t *testing.T) {
	for _, c := range []struct {
		name      string
		meanwhile func(w *world, hold *v1alpha1.NodePortAllocation)
		want      map[string]string
		wantErr   string
	}{{
		name:      "its status has been written meanwhile",
		meanwhile: func(_ *world, hold *v1alpha1.NodePortAllocation) { hold.Status.Protocols = "TCP" },
		want:      map[string]string{"30003": "shop/web reserved"},
	}, {
		name: "its Service has come back meanwhile",
		meanwhile: func(w *world, hold *v1alpha1.NodePortAllocation) {
			hold.Spec.ClaimTime = new(metav1.NewMicroTime(w.clock.Now()))
		},
		want:    map[string]string{"30001": "shop/web pending"},
		wantErr: `pool "team-a": 1 of 1 node ports are used, 1 more are asked for`,
	}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ledger.PoolSeen(poolOf("team-a", 30000, 30009, 1))
			w.seed("shop/web", "http:80=30001", heldFor(time.Minute))
			w.store.Before = func(verb, _ string) error {
				if verb != "delete" {
					return nil
				}
				w.store.Before = nil
				hold := w.store.List()["30001"]
				c.meanwhile(w, hold)
				return w.store.Update(t.Context(), hold)
			}
			w.reportAtOnce()
			claim, err := w.ledger.Claim(t.Context(), reservation("shop/web", "promise"), promise("http", 30003), w.pools()[:1])
			switch {
			case err != nil && err.Error() != c.wantErr, err == nil && c.wantErr != "":
				t.Errorf("got %v, want %q", err, c.wantErr)
			case err == nil && claim.GivenUp != 1:
				t.Errorf("%d holds were given up", claim.GivenUp)
			}
			if diff := cmp.Diff(c.want, w.claims()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAClaimOverTheLimitIsUndoneThoughItsStatusHasBeenWritten(t *testing.T) {
	w := newWorld(t)
	w.ledger.PoolSeen(poolOf("team-a", 30000, 30009, 2))
	w.seed("shop/web", "http:80=30001", heldFor(time.Minute))
	w.store.Before = func(verb, name string) error {
		if verb == "create" && name == "30002" {
			w.seed("shop/api", "http:80=30003", boundTo("1")) // by another replica: it comes first, and counts
		}
		return nil
	}
	w.reportAtOnce()
	requests := slices.Concat(promise("http", 30001), promise("admin", 30002))
	_, err := w.ledger.Claim(t.Context(), reservation("shop/web", "promise"), requests, w.pools()[:1])
	if !errors.As(err, new(*QuotaError)) {
		t.Errorf("got %v, want it to be over the limit", err)
	}
	if diff := cmp.Diff(map[string]string{"30001": "shop/web held", "30003": "shop/api bound"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWithoutAQuotaWhatNoServiceCarriesIsCapped(t *testing.T) {
	w := newWorld(t)
	w.ledger.PoolSeen(poolOf("team-a", 30000, 30009, -1))
	for i := range 8 {
		w.claim(fmt.Sprint("shop/web", i), "http:80").Commit()
	}
	_, err := w.ledger.Claim(t.Context(), claimant("shop/more"), ask("http:80"), w.pools()[:1])
	var over *QuotaError
	if !errors.As(err, &over) || !over.Unbound || over.Limit != 8 || over.Used != 8 {
		t.Fatalf("got %v, want the cap of 8", err)
	}
	if _, err := w.ledger.Preview(claimant("shop/more"), ask("http:80"), w.pools()[:1], true); !errors.As(err, &over) {
		t.Errorf("a dry-run says %v", err)
	}
	w.claim("bank/core", "http:80").Commit() // the cap is each namespace's own

	// As soon as a Service is seen with its number it does not count any more, whoever binds it.
	for n, holder := range w.claims() {
		if number := w.store.List()[n]; holder == "shop/web3 pending" {
			value, _ := NumberOf(number)
			w.ledger.ServiceSeen(serviceOn("shop/web3", value))
		}
	}
	w.claim("shop/more", "http:80").Commit()
}

func TestTheCapLeavesRoomForOneLargeService(t *testing.T) {
	w := newWorld(t)
	w.ledger.PoolSeen(poolOf("team-a", 30000, 30009, -1))
	w.seed("shop/old", "http:80=30000", heldFor(time.Minute))
	var nine []string
	for i := range 9 {
		nine = append(nine, fmt.Sprintf("p%d:%d", i, 80+i))
	}
	w.claim("shop/large", nine...)
	if got := w.claims()["30000"]; got == "shop/old held" {
		t.Error("the namespace's hold was not given up")
	}
}

func TestTheCapLeavesNoRoomForALargeReservation(t *testing.T) {
	w := newWorld(t)
	w.ledger.PoolSeen(poolOf("team-a", 30000, 30009, -1))
	var nine []Request
	for i := range 9 {
		nine = append(nine, promise(fmt.Sprint("p", i), 0)...)
	}
	var over *QuotaError
	_, err := w.ledger.Claim(t.Context(), reservation("shop/large", "promise"), nine, w.pools())
	if !errors.As(err, &over) || over.Limit != 8 || over.Asked != 9 {
		t.Errorf("got %v, want the cap of 8", err)
	}
	if claims := w.claims(); len(claims) > 0 {
		t.Errorf("claimed are %v", claims)
	}
}

func TestHoldsBeyondTheCapAreGivenUpTheOldestFirst(t *testing.T) {
	w := newWorld(t)
	w.ledger.PoolSeen(poolOf("team-a", 30000, 30009, -1))
	var released []*v1alpha1.NodePortAllocation
	for i := range int32(10) {
		a := w.seed("shop/web", fmt.Sprintf("http:80=%d", 30000+i), boundTo("1"))
		heldFor(time.Duration(10-i) * time.Minute)(&a.Spec)
		released = append(released, a)
	}
	givenUp := make([]int, len(released))
	var wg sync.WaitGroup
	for i, a := range released {
		wg.Go(func() {
			var err error
			if givenUp[i], err = w.ledger.Hold(t.Context(), a); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(w.claims()); got != 8 {
		t.Errorf("%d numbers are held, want 8: %v", got, w.claims())
	}
	sum := 0
	for _, n := range givenUp {
		sum += n
	}
	if sum != 2 {
		t.Errorf("%d were given up, want 2", sum)
	}
}

func reservation(service, name string) Claimant {
	c := claimant(service)
	c.Reservation = name
	return c
}

// promise asks for the numbers of a reservation's entries, which have a name and no port.
func promise(name string, number int32) []Request {
	return []Request{{Origin: v1alpha1.OriginExplicit, Request: serviceports.Request{
		Role: serviceports.Traffic, NodePort: number, Ports: []serviceports.Port{{Name: name}}}}}
}

func TestAReservationKeepsItsNumbersForItsService(t *testing.T) {
	w := newWorld(t)
	c, err := w.ledger.Claim(t.Context(), reservation("shop/web", "promise"), promise("http", 30003), w.pools())
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
	w.clock.SetTime(start.Add(24 * time.Hour))
	if diff := cmp.Diff(map[string]string{"30003": "shop/web reserved"}, w.claims()); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	for name, want := range map[string][]int32{"shop/promise": {30003}, "shop/another": nil, "bank/promise": nil} {
		if diff := cmp.Diff(want, w.ledger.Reserved(named(name))); diff != "" {
			t.Errorf("numbers of %s (-want +got):\n%s", name, diff)
		}
	}
	svc := MakeService("shop/web").NodePort(80, 0, Named("http")).NodePort(81, 0, Named("admin")).NodePort(80, 0, Named("quic"), UDP).Obj()
	w.ledger.FillReserved(claimant("shop/web"), svc)
	want := MakeService("shop/web").NodePort(80, 30003, Named("http")).NodePort(81, 0, Named("admin")).NodePort(80, 30003, Named("quic"), UDP).Obj()
	if diff := cmp.Diff(want, svc); diff != "" {
		t.Errorf("the Service (-want +got):\n%s", diff)
	}
	if open := w.ledger.Unclaimed(claimant("shop/web"), ask("http:80=30003")); len(open) > 0 {
		t.Errorf("it would be claimed once more: %v", open)
	}
	for name, other := range map[string]Claimant{
		"another Service": claimant("shop/api"), "another namespace": claimant("bank/core"), "another reservation": reservation("shop/web", "second"),
	} {
		t.Run(name, func(t *testing.T) {
			var taken *TakenError
			_, err := w.ledger.Claim(t.Context(), other, ask("http:80=30003"), w.pools())
			if !errors.As(err, &taken) || taken.Holder.Reservation != "promise" {
				t.Errorf("got %v, want the number to be taken", err)
			}
		})
	}
}

func TestOneReservedNumberIsForTheOnlyEntryWhateverItsName(t *testing.T) {
	for _, c := range []struct {
		name     string
		svc      *Service
		reserved []string
		want     []int32
	}{
		{"one for one", MakeService("shop/web").NodePort(80, 0, Named("80")), []string{"http"}, []int32{30003}},
		{"one for two", MakeService("shop/web").NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")), []string{"http"}, []int32{0, 0}},
		{"two for one", MakeService("shop/web").NodePort(80, 0, Named("a")), []string{"http", "admin"}, []int32{0}},
		{"one for one that has its own", MakeService("shop/web").NodePort(80, 30009), []string{"http"}, []int32{30009}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for i, name := range c.reserved {
				if _, err := w.ledger.Claim(t.Context(), reservation("shop/web", "promise"), promise(name, 30003+int32(i)), w.pools()); err != nil {
					t.Fatal(err)
				}
			}
			svc := c.svc.Obj()
			w.ledger.FillReserved(claimant("shop/web"), svc)
			var got []int32
			for _, p := range svc.Spec.Ports {
				got = append(got, p.NodePort)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("numbers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAReservationTakesWhatItsServiceHasAndHoldsOfItsNamespace(t *testing.T) {
	for _, c := range []struct {
		name  string
		seed  string // the Service that has 30003
		as    func(*v1alpha1.NodePortAllocationSpec)
		ask   int32
		want  string // the claim afterwards; empty: it is refused
		ports []v1alpha1.AllocatedPort
	}{
		{"its Service's live number, by number", "shop/web", boundTo("1"), 30003, "shop/web bound", nil},
		{"its Service's live number, by the entry's name", "shop/web", boundTo("1"), 0, "shop/web bound", nil},
		{"what is held for its Service", "shop/web", heldFor(time.Minute), 0, "shop/web reserved", nil},
		{"what is claimed for its Service", "shop/web", nil, 30003, "shop/web reserved", nil},
		{"a hold of another Service of the namespace", "shop/api", heldFor(time.Minute), 30003, "shop/web reserved", nil},
		{"not another Service's live number", "shop/api", boundTo("1"), 30003, "", nil},
		{"not a hold of another namespace", "bank/api", heldFor(time.Minute), 30003, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.seed(c.seed, "http:80=30003", c.as)
			claim, err := w.ledger.Claim(t.Context(), reservation("shop/web", "promise"), promise("http", c.ask), w.pools())
			if c.want == "" {
				if !errors.As(err, new(*TakenError)) {
					t.Errorf("got %v, want the number to be taken", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			claim.Commit()
			if diff := cmp.Diff(map[string]string{"30003": c.want}, w.claims()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			spec := w.store.List()["30003"].Spec
			if spec.ReservationName != "promise" || spec.HoldUntil != nil {
				t.Errorf("the claim is %+v", spec)
			}
		})
	}
}

func TestANumberWhoseReservationGoesIsHeldOrStaysWithItsService(t *testing.T) {
	until := metav1.NewTime(start.Add(time.Minute))
	port := []v1alpha1.AllocatedPort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}
	for _, c := range []struct {
		name     string
		before   v1alpha1.NodePortAllocationSpec
		want     v1alpha1.NodePortAllocationSpec
		reserved bool
	}{
		{"in use", v1alpha1.NodePortAllocationSpec{ReservationName: "r", ServiceUID: "1", Ports: port}, v1alpha1.NodePortAllocationSpec{ServiceUID: "1", Ports: port}, false},
		{"not in use", v1alpha1.NodePortAllocationSpec{ReservationName: "r", Ports: port}, v1alpha1.NodePortAllocationSpec{HoldUntil: &until, Ports: port}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := *c.before.DeepCopy()
			Unreserve(&got, start, time.Minute)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The pool is full but for a hold, and its Service has come back for it: the view does not know that yet.
func TestAHoldThatIsTakenUpMeanwhileIsNotComeForAgainAndAgain(t *testing.T) {
	w := newWorld(t)
	for n := 30000; n < 30009; n++ {
		w.seed("bank/core", fmt.Sprintf("a:80=%d", n), boundTo("1"))
	}
	held := w.seed("bank/desk", "a:80=30009", heldFor(time.Minute))
	w.store.Watchers = nil
	claimedFor(0)(&held.Spec)
	if err := w.store.Update(t.Context(), held.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tries := 0
	w.store.Before = func(string, string) error {
		if tries++; tries > 100 {
			cancel()
		}
		return nil
	}
	if _, err := w.ledger.Claim(ctx, claimant("shop/web"), ask("http:80"), w.pools()); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v after %d tries", err, tries)
	}
}
