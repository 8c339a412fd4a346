package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/nodeproxy/activity"
	nodereport "github.com/portolan-dev/portolan/internal/nodeproxy/report"
)

const useHow = `
What it costs the control plane that 5,000 nodes report which of 2,768 node ports are used, and that the manager rolls it
up into the allocations. The nodes are simulated: each has its NodePortNodeState, which is written as node-proxy writes it,
one PUT and no GET, at the rate of all of them, evenly spread. "Typical" is 200 numbers that are used on every node all the
time: a write a node in ten minutes. Each of the 200 allocations is written as seldom, 0.3 a second, which is not in it.
"Most" is that half of the numbers are used, and always another one is new on a node, so that it writes as often as it may
for use alone, every other minute; all allocations of those are written in it for the first time. "Limit" is that each node
writes as often as it may at all, once a minute. The peer is the same control plane while no node reports. CPU time is that
of one core.`

const (
	useNodes    = 5000
	useRange    = "30000-32767"
	useBusy     = 200
	useMeasured = 40 * time.Second
	useWriters  = 32
)

// useLoad is how often all nodes write, and how many numbers each then says have been used.
type useLoad struct {
	name    string
	every   time.Duration // that a node writes
	numbers int
}

var useLoads = []useLoad{
	{"typical", activity.Interval, useBusy},
	{"most", nodereport.ActivityInterval, 1384},
	{"limit", nodereport.Interval, 1384},
}

type use struct {
	*site
	figures
	states []v1alpha1.NodePortNodeState
}

func runUse(ctx context.Context, o options) (measured, error) {
	o.numbers = useRange
	s, err := startSite(ctx, o)
	if err != nil {
		return measured{}, err
	}
	defer s.stop()
	u := &use{site: s, figures: figures{}, states: make([]v1alpha1.NodePortNodeState, useNodes)}
	if err := u.populate(ctx); err != nil {
		return measured{}, err
	}
	for i := range o.rounds {
		fmt.Fprintf(o.log, "use: round %d of %d\n", i+1, o.rounds)
		if err := u.measure(ctx, native, "quiet", func(context.Context) error { return nil }); err != nil {
			return measured{}, err
		}
		for _, l := range useLoads {
			if err := u.measure(ctx, portolan, l.name, func(ctx context.Context) error { return u.write(ctx, l) }); err != nil {
				return measured{}, fmt.Errorf("%s: %w", l.name, err)
			}
		}
	}
	return u.report(), nil
}

// populate makes a Service for each number and a state for each node, and waits until nothing comes of it any more.
func (u *use) populate(ctx context.Context) error {
	fmt.Fprintf(u.options.log, "use: making %d Services and %d nodes\n", u.size(), useNodes)
	if _, err := load(ctx, 8, u.size(), u.create(corev1.ServiceTypeNodePort)); err != nil {
		return err
	}
	if _, err := u.awaitNumbers(ctx, u.size()); err != nil {
		return err
	}
	began := time.Now()
	_, err := load(ctx, useWriters, useNodes, func(ctx context.Context, i int) error {
		state := &u.states[i]
		state.Name = fmt.Sprintf("node-%d", i)
		if err := u.admin.Create(ctx, state); err != nil {
			return err
		}
		state.Status = stateStatus(began)
		return u.admin.Status().Update(ctx, state)
	})
	if err != nil {
		return err
	}
	first := &u.states[0]
	first.Status.Activity = usedNow(first.Status.Activity, useBusy)
	if err := u.admin.Status().Update(ctx, first); err != nil {
		return err
	}
	return u.awaitCalm(ctx)
}

// stateStatus is that of a node that serves all numbers, and has counted since a time.
func stateStatus(since time.Time) v1alpha1.NodePortNodeStateStatus {
	at := metav1.NewTime(since)
	condition := func(kind, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: at}
	}
	return v1alpha1.NodePortNodeStateStatus{
		Mode: v1alpha1.ProxyModeAll, ServiceProxyName: "portolan", ProxyVersion: "v0.0.0", Addresses: []string{"192.0.2.1", "2001:db8::1"},
		Services: 2768, Ports: 2768, NodePorts: useRange, LastSync: &v1alpha1.LastSync{Time: at}, EphemeralRange: "32768-60999",
		Activity: &v1alpha1.Activity{Since: at, From: at, To: at},
		Conditions: []metav1.Condition{
			condition(v1alpha1.NodeStateReady, v1alpha1.NodeStateReasonServing, "Node ports are served."),
			condition(v1alpha1.NodeStateProgrammed, v1alpha1.NodeStateReasonInSync, "The kernel has what the API server says."),
			condition(v1alpha1.NodeStateNoClashes, v1alpha1.NodeStateReasonClear, "Nothing else uses a node port."),
		},
	}
}

// awaitCalm waits until the manager has written nothing for five seconds.
func (u *use) awaitCalm(ctx context.Context) error {
	for {
		before, err := u.count(ctx)
		if err != nil {
			return err
		}
		time.Sleep(5 * time.Second)
		after, err := u.count(ctx)
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if after.since(before).requests[allocationWrites] == 0 {
			return nil
		}
	}
}

const (
	allocationWrites = "PUT nodeportallocations/status"
	stateWrites      = "PUT nodeportnodestates/status"
)

// measure takes the CPU time and the requests of so long, in which there is some load.
func (u *use) measure(ctx context.Context, of side, name string, load func(context.Context) error) error {
	requests, err := u.count(ctx)
	if err != nil {
		return err
	}
	before, err := u.servers.now()
	if err != nil {
		return err
	}
	began := time.Now()
	loaded, cancel := context.WithTimeout(ctx, useMeasured)
	defer cancel()
	if err := load(loaded); err != nil {
		return err
	}
	<-loaded.Done()
	seconds := time.Since(began).Seconds()
	after, err := u.servers.now()
	if err != nil {
		return err
	}
	counted, err := u.count(ctx)
	if err != nil {
		return err
	}
	for server, used := range after.since(before) {
		u.add(name+" CPU "+server, of, 1000*used/seconds)
	}
	total := 0.0
	for request, n := range counted.since(requests).requests {
		total += n / seconds
		u.add(name+" request "+request, of, n/seconds)
	}
	u.add(name+" requests", of, total)
	memory, err := family{u.servers["manager"]}.resident()
	u.add(name+" memory", of, memory)
	fmt.Fprintf(u.options.log, "  %s: %.1f requests a second, %v s of CPU time in %.0f s, manager %.0f MB\n", name, total, after.since(before), seconds, memory)
	return err
}

// write has all nodes write their states, each in its turn, until ctx ends. It fails where they cannot keep up.
func (u *use) write(ctx context.Context, l useLoad) error {
	gap := l.every / useNodes
	began := time.Now()
	writes := int(useMeasured / gap)
	took := make([]time.Duration, writes) // 0: not written
	_, err := load(ctx, useWriters, writes, func(ctx context.Context, i int) error {
		if wait := time.Until(began.Add(time.Duration(i) * gap)); wait > 0 {
			time.Sleep(wait)
		}
		state := &u.states[(i*7919)%useNodes] // a prime: neighbours are not written one after the other
		state.Status.Activity = usedNow(state.Status.Activity, l.numbers)
		asked := time.Now()
		err := u.admin.Status().Update(ctx, state, client.FieldOwner("node-proxy"))
		if err == nil {
			took[i] = time.Since(asked)
		}
		return err
	})
	if err != nil && ctx.Err() == nil { // else it is the last few that were not made
		return err
	}
	made := slices.DeleteFunc(took, func(d time.Duration) bool { return d == 0 })
	slices.Sort(made)
	u.add(l.name+" p50", portolan, milliseconds(quantile(made, 0.5)))
	u.add(l.name+" p99", portolan, milliseconds(quantile(made, 0.99)))
	if len(made) < writes*9/10 {
		return fmt.Errorf("%d of %d writes were made in time", len(made), writes)
	}
	return nil
}

// usedNow is a report of so many numbers, any but always the same.
func usedNow(before *v1alpha1.Activity, numbers int) *v1alpha1.Activity {
	random := rand.New(rand.NewPCG(1, uint64(numbers)))
	set := bitmap.New(30000, 32767)
	for taken := 0; taken < numbers; {
		if set.Take(30000 + random.Int32N(2768)) {
			taken++
		}
	}
	return &v1alpha1.Activity{Since: before.Since, From: before.To, To: metav1.NewTime(time.Now().Truncate(time.Second)), NodePorts: set.Text()}
}

func (u *use) size() int { return int(u.numbers.To-u.numbers.From) + 1 }

func (u *use) report() measured {
	value := func(name string) float64 { return median(u.figures[name][portolan]) }
	var rows []row
	var notes []string
	for _, l := range useLoads {
		for _, server := range []string{"API server", "etcd", "manager"} {
			rows = append(rows, row{Name: fmt.Sprintf("%s, %s", server, l.name), Kind: "CPU time, " + l.name, Unit: "ms/s", PeerName: "quiet",
				Peer: median(u.figures["quiet CPU "+server][native]), Value: value(l.name + " CPU " + server)})
		}
		rows = append(rows,
			row{Name: "requests/s, " + l.name, PeerName: "quiet", Peer: median(u.figures["quiet requests"][native]), Value: value(l.name + " requests")},
			row{Name: "manager's memory, " + l.name, Unit: "MB", PeerName: "quiet", Peer: median(u.figures["quiet memory"][native]), Value: value(l.name + " memory")})
		notes = append(notes, fmt.Sprintf("%s: %d numbers are used; %.1f states and %.1f allocations a second are written; a state's write takes %.1f ms (p99 %.1f).",
			l.name, l.numbers, value(l.name+" request "+stateWrites), value(l.name+" request "+allocationWrites), value(l.name+" p50"), value(l.name+" p99")))
	}
	return measured{Rows: rows, Notes: notes}
}
