package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const flipName = "flip"

// flip is a Service whose only endpoint changes between one that takes connections and one that refuses them, so that a
// connection tells which of them the node has.
type flip struct {
	site     *nodeSite
	frontend netip.AddrPort
	takes    bool
}

func newFlip(ctx context.Context, s *nodeSite) (*flip, error) {
	svc := servicetest.MakeService(namespace+"/"+flipName).Port(portOfServices, servicetest.Target(proxysite.PodPort)).Obj()
	svc, err := s.api.CoreV1().Services(namespace).Create(ctx, svc, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	f := &flip{site: s, takes: true, frontend: netip.AddrPortFrom(netip.MustParseAddr(svc.Spec.ClusterIP), portOfServices)}
	_, err = s.api.DiscoveryV1().EndpointSlices(namespace).Create(ctx, f.slice(), metav1.CreateOptions{})
	return f, err
}

func (f *flip) slice() *discoveryv1.EndpointSlice {
	endpoint := f.site.Neighbour // who serves nothing
	if f.takes {
		endpoint = f.site.farm()
	}
	return servicetest.MakeSlice(namespace+"/"+flipName, "0").Port("", proxysite.PodPort).Endpoint(endpoint.IPv4.String()).Obj()
}

// change changes the endpoint at the API server, and returns the version of its slice then.
func (f *flip) change(ctx context.Context) (version string, err error) {
	f.takes = !f.takes
	slice, err := f.site.api.DiscoveryV1().EndpointSlices(namespace).Update(ctx, f.slice(), metav1.UpdateOptions{})
	if err != nil {
		return "", err
	}
	return slice.ResourceVersion, nil
}

// stays is how long the node must have the endpoint for it to count: in the middle of its own changes, kube-proxy may
// refuse for a moment what it has an endpoint for.
const stays = 100 * time.Millisecond

// await waits, on a thread of the node's, until the node has the endpoint for good, and returns since when. It is asked
// for since a while.
func (f *flip) await(ctx context.Context, takes bool, since time.Time) (time.Time, error) {
	var wanted error
	if !takes {
		wanted = unix.ECONNREFUSED
	}
	for {
		at, err := awaitKnock(ctx, f.frontend, wanted, since)
		if err != nil || f.keeps(wanted) {
			return at, err
		}
	}
}

// keeps says whether connections go on ending so for a while.
func (f *flip) keeps(wanted error) bool {
	for until := time.Now().Add(stays); time.Now().Before(until); time.Sleep(stays / 20) {
		if !errors.Is(knock(f.frontend, stays), wanted) {
			return false
		}
	}
	return true
}

// awaitFirst returns when a proxy that has just been started is in step, or with errLate. What was sent before nobody
// translated, and for two minutes the kernel would send what comes from the same ports nowhere, too: it forgets that.
func (f *flip) awaitFirst(ctx context.Context, p *proxysite.Proxy, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errLate)
	defer cancel()
	return f.site.Node.Do(func() error {
		if _, err := f.await(ctx, f.takes, time.Now()); err != nil {
			return fmt.Errorf("%w; the end of the proxy's log:\n%s", err, p.Log())
		}
		return netlink.ConntrackTableFlush(netlink.ConntrackTable)
	})
}

// changed is how long a change took until the node had it: since it was sent to the API server, and since the API
// server told of it, by its event to a watch of our own.
type changed struct{ sent, told time.Duration }

// measure changes the endpoint n times, with a pause before each.
func (f *flip) measure(ctx context.Context, n int, pause time.Duration) (sent, told sample, err error) {
	events, stop, err := f.watch(ctx)
	if err != nil {
		return sent, told, err
	}
	defer stop()
	for range n {
		time.Sleep(pause + rand.N(pause/2))
		c, err := f.measureOne(ctx, events)
		if err != nil {
			return sent, told, err
		}
		sent.latencies = append(sent.latencies, c.sent)
		told.latencies = append(told.latencies, c.told)
	}
	slices.Sort(sent.latencies)
	slices.Sort(told.latencies)
	return sent, told, nil
}

// measureOne changes the endpoint while the node is asked for it all the time.
func (f *flip) measureOne(ctx context.Context, events <-chan event) (changed, error) {
	takes, began := !f.takes, time.Now()
	var effective time.Time
	asked := make(chan error, 1)
	go func() {
		asked <- f.site.Node.Do(func() (err error) {
			effective, err = f.await(ctx, takes, began)
			return err
		})
	}()
	version, err := f.change(ctx)
	if err := errors.Join(err, <-asked); err != nil {
		return changed{}, err
	}
	for {
		select {
		case e := <-events:
			if e.version == version {
				return changed{sent: effective.Sub(began), told: max(0, effective.Sub(e.at))}, nil
			}
		case <-ctx.Done():
			return changed{}, context.Cause(ctx)
		}
	}
}

// event is when the API server told of a version of the slice.
type event struct {
	version string
	at      time.Time
}

// watch watches the slice.
func (f *flip) watch(ctx context.Context) (<-chan event, func(), error) {
	w, err := f.site.api.DiscoveryV1().EndpointSlices(namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", f.slice().Name).String(),
	})
	if err != nil {
		return nil, nil, err
	}
	events := make(chan event, 10) // nobody waits for room: there is one change at a time
	go func() {
		for e := range w.ResultChan() {
			if slice, ok := e.Object.(*discoveryv1.EndpointSlice); ok {
				events <- event{slice.ResourceVersion, time.Now()}
			}
		}
	}()
	return events, w.Stop, nil
}
