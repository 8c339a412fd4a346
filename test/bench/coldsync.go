package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const coldSyncHow = `
A proxy's process is started on a node whose kernel has no rules; the Services and EndpointSlices are all there. It is in
step when a Service of both families, and 32 others from the first to the last, answer connections from the node: a probe
is made all the time, of each proxy in the same way (all of them program one family at once). "The sync itself" is what
each proxy's own metric says (kubeproxy_sync_full_proxy_rules_duration_seconds for IPv4): the API server, the client
libraries and the process's start are not in it. CPU time is the process's, with the commands that it runs, until it is
in step.`

// coldSyncSample is how many of the Services are asked.
const coldSyncSample = 32

type coldSync struct {
	*trial
	both []netip.Addr // of the Service of both families
}

func runColdSync(ctx context.Context, o options) (measured, error) {
	return runTrial(ctx, o, func(ctx context.Context, t *trial) (measured, error) {
		c := &coldSync{trial: t}
		if err := c.makeBoth(ctx); err != nil {
			return measured{}, err
		}
		for _, size := range c.shapes() {
			if err := c.size(ctx, size, func(kind proxysite.Kind) error { return c.once(ctx, size, kind) }); err != nil {
				return measured{}, err
			}
		}
		return c.report(), nil
	})
}

// shapes are what is measured, the largest last. That with few Services comes first, for it is quickly gone.
func (c *coldSync) shapes() []shape {
	all := []shape{{100, 1000}}
	for _, n := range c.race.options.services {
		all = append(all, shape{n, 2})
	}
	return all
}

// makeBoth makes the Service of both families.
func (c *coldSync) makeBoth(ctx context.Context) error {
	const name = "both"
	svc := servicetest.MakeService(namespace+"/"+name).Port(portOfServices, servicetest.Target(proxysite.PodPort)).Obj()
	svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack)
	svc, err := c.api.CoreV1().Services(namespace).Create(ctx, svc, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	for i, slice := range []*servicetest.Slice{
		servicetest.MakeSlice(namespace+"/"+name, "ipv4").Endpoint(c.Remote[0].IPv4.String()),
		servicetest.MakeSlice(namespace+"/"+name, "ipv6").IPv6().Endpoint(c.Remote[0].IPv6.String()),
	} {
		if _, err := c.api.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice.Port("", proxysite.PodPort).Obj(), metav1.CreateOptions{}); err != nil {
			return err
		}
		c.both = append(c.both, netip.MustParseAddr(svc.Spec.ClusterIPs[i]))
	}
	return nil
}

// once starts one proxy and ends it when it is in step.
func (c *coldSync) once(ctx context.Context, size shape, kind proxysite.Kind) error {
	if err := c.wipe(); err != nil {
		return err
	}
	started := time.Now()
	p, err := c.launch(kind)
	if err != nil {
		return err
	}
	defer p.Kill()
	inStep, err := c.awaitAll(ctx, p, started)
	if err != nil {
		return fmt.Errorf("%w; the end of the proxy's log:\n%s", err, p.Log())
	}
	m, err := c.scrapeSync(ctx)
	if err != nil {
		return err
	}
	p.Kill()
	used := p.State().UserTime() + p.State().SystemTime()
	of, name := sides[kind], size.String()
	c.add(name+" in step", of, inStep.Sub(started).Seconds())
	c.add(name+" sync", of, m.mean(metrics.SyncFullDuration, "ip_family", "IPv4"))
	c.add(name+" cpu", of, used.Seconds())
	fmt.Fprintf(c.race.options.log, "  %s, %s: in step after %.3f s, %.2f s of CPU time\n", name, of, inStep.Sub(started).Seconds(), used.Seconds())
	if kind == proxysite.NodeProxy {
		c.addParts(name, m, started)
		return c.addObjects(name)
	}
	return nil
}

// object is a line of a listing that begins a chain, a set or a map.
var object = regexp.MustCompile(`(?m)^\t(chain|set|map) `)

// addObjects counts the chains, sets and maps that our proxy has left in the node's kernel.
func (c *coldSync) addObjects(name string) error {
	return c.Node.Do(func() error {
		listing, err := exec.Command("nft", "--terse", "list", "ruleset").Output() // without elements
		c.add(name+" objects", portolan, float64(len(object.FindAll(listing, -1))))
		return err
	})
}

// scrapeSync are the proxy's metrics when it has noted its first sync, which it does shortly after it.
func (c *coldSync) scrapeSync(ctx context.Context) (metricsOf, error) {
	ctx, cancel := context.WithTimeout(ctx, c.race.options.patience)
	defer cancel()
	for {
		m, err := scrape(ctx, c.Node)
		if err != nil || m.mean(metrics.SyncFullDuration, "ip_family", "IPv4") > 0 && m.gauge(metrics.SyncLast, "ip_family", "IPv4") > 0 {
			return m, err
		}
		time.Sleep(time.Millisecond)
	}
}

// awaitAll is when the last of the Services that are asked had answered for the first time.
func (c *coldSync) awaitAll(ctx context.Context, p *proxysite.Proxy, started time.Time) (last time.Time, err error) {
	ctx, cancel := watched(ctx, p)
	defer cancel()
	ctx, stop := context.WithTimeoutCause(ctx, c.race.options.patience, errLate)
	defer stop()
	err = c.Node.Do(func() error {
		for _, at := range c.asked() {
			answered, err := awaitKnock(ctx, at, nil, started)
			if err != nil {
				return fmt.Errorf("%s is not served after %s: %w", at, time.Since(started), err)
			}
			if answered.After(last) {
				last = answered
			}
		}
		return nil
	})
	return last, err
}

func (c *coldSync) asked() []netip.AddrPort {
	var all []netip.AddrPort
	for _, ip := range c.both {
		all = append(all, netip.AddrPortFrom(ip, portOfServices))
	}
	for i := range coldSyncSample {
		all = append(all, c.frontends[i*(c.services-1)/(coldSyncSample-1)])
	}
	return all
}

// addParts takes our own time apart: until all is read, until it is planned, until the kernel has it.
func (c *coldSync) addParts(name string, m metricsOf, started time.Time) {
	took, kernel := m.mean(metrics.SyncFullDuration, "ip_family", "IPv4"), m.mean(metrics.BatchDuration, "", "")
	done := m.gauge(metrics.SyncLast, "ip_family", "IPv4") - float64(started.UnixNano())/1e9
	c.add(name+" read", portolan, done-took)
	c.add(name+" plan", portolan, took-kernel)
	c.add(name+" kernel", portolan, kernel)
	fmt.Fprintf(c.race.options.log, "    read after %.3f s, planned in %.3f s, in the kernel in %.3f s\n", done-took, took-kernel, kernel)
}

func (c *coldSync) report() measured {
	var rows []row
	for _, size := range c.shapes() {
		name := size.String()
		for _, of := range []struct{ title, figure string }{{"start to in step", "in step"}, {"the sync itself", "sync"}, {"CPU time", "cpu"}} {
			rows = append(rows, c.againstPeers(of.title+", "+name, "", "s", name+" "+of.figure)...)
		}
		for _, part := range []struct{ title, figure string }{{"until all is read", "read"}, {"planning", "plan"}, {"the kernel", "kernel"}} {
			rows = append(rows, c.ours("of it "+part.title+", "+name, "", "s", name+" "+part.figure))
		}
	}
	return measured{Rows: append(rows, c.objectRows()...), Notes: c.race.notes()}
}

// objectRows compare the chains, sets and maps of the most Services with those of the fewest.
func (c *coldSync) objectRows() []row {
	of := func(services int) []float64 { return c.figures[shape{services, 2}.String()+" objects"][portolan] }
	sizes := c.race.options.services
	fewest, most := sizes[0], sizes[len(sizes)-1]
	r := compared(fmt.Sprintf("chains, sets and maps, %d Services to %d", most, fewest), "", fmt.Sprintf("%d Services", fewest), of(most), of(fewest))
	r.Kind = "objects"
	return []row{r}
}
