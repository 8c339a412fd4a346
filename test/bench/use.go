package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

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
	useRange    = "30000-32767"
	useBusy     = 200
	useMeasured = 40 * time.Second
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
	nodes *nodeStates
}

func runUse(ctx context.Context, o options) (measured, error) {
	o.numbers = useRange
	s, err := startSite(ctx, o)
	if err != nil {
		return measured{}, err
	}
	defer s.stop()
	u := &use{site: s, figures: figures{}, nodes: newNodeStates(s.admin, whole.share(o.scale).nodes, s.numbers)}
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
	fmt.Fprintf(u.options.log, "use: making %d Services and %d nodes\n", u.size(), len(u.nodes.states))
	if _, err := load(ctx, 8, u.size(), u.create(corev1.ServiceTypeNodePort)); err != nil {
		return err
	}
	if _, err := u.awaitNumbers(ctx, u.size()); err != nil {
		return err
	}
	if err := u.nodes.create(ctx, useBusy); err != nil {
		return err
	}
	return u.awaitCalm(ctx)
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
	err := u.spend(ctx, u.site, name, of, func() error {
		loaded, cancel := context.WithTimeout(ctx, useMeasured)
		defer cancel()
		if err := load(loaded); err != nil {
			return err
		}
		<-loaded.Done()
		return nil
	})
	if err != nil {
		return err
	}
	memory, err := family{u.servers["manager"]}.resident()
	u.add(name+" memory", of, memory)
	return err
}

// write has all nodes write their states.
func (u *use) write(ctx context.Context, l useLoad) error {
	made, err := u.nodes.write(ctx, l, useMeasured)
	u.add(l.name+" p50", portolan, made.p50())
	u.add(l.name+" p99", portolan, made.p99())
	return err
}

func (u *use) size() int { return int(u.numbers.To-u.numbers.From) + 1 }

func (u *use) report() measured {
	value := func(name string) float64 { return median(u.figures[name][portolan]) }
	var rows []row
	var notes []string
	for _, l := range useLoads {
		for _, server := range []string{"API server", "etcd", "manager"} {
			quiet, loaded := u.figures["quiet CPU "+server][native], u.figures[l.name+" CPU "+server][portolan]
			rows = append(rows, compared(server+", "+l.name, "ms/s", "quiet", loaded, quiet),
				row{Name: fmt.Sprintf("%s, added by reports, %s", server, l.name), Kind: "CPU time, " + l.name, Unit: "ms/s",
					Value: median(minus(loaded, quiet))})
		}
		rows = append(rows,
			compared("requests/s, "+l.name, "", "quiet", u.figures[l.name+" requests"][portolan], u.figures["quiet requests"][native]),
			compared("manager's memory, "+l.name, "MB", "quiet", u.figures[l.name+" memory"][portolan], u.figures["quiet memory"][native]))
		notes = append(notes, fmt.Sprintf("%s: %d numbers are used; %.1f states and %.1f allocations a second are written; a state's write takes %.1f ms (p99 %.1f).",
			l.name, l.numbers, value(l.name+" request "+stateWrites), value(l.name+" request "+allocationWrites), value(l.name+" p50"), value(l.name+" p99")))
	}
	return measured{Rows: rows, Notes: notes}
}
