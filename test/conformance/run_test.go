package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/test/proxysite"
)

func TestBehaviours(t *testing.T) {
	if plane == nil {
		t.Skip("needs root: it makes network namespaces")
	}
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			for _, g := range groups(kind, behaviours()) {
				t.Run(g.name, func(t *testing.T) {
					t.Parallel()
					g.run(t, kind)
				})
			}
		})
	}
}

// group is cases that share a proxy.
type group struct {
	name       string
	behaviours []numbered
}

// numbered is a case with a number of its own.
type numbered struct {
	behaviour
	number int
}

// groups are the cases for a kind of proxy.
func groups(kind proxysite.Kind, all []behaviour) []*group {
	var list []*group
	shared := map[string]*group{}
	for i, b := range all {
		if b.of != nil && !slices.Contains(b.of, kind) {
			continue
		}
		key := fmt.Sprintf("%+v %s %t", b.config, b.beside, b.guarded)
		g := shared[key]
		if g == nil || b.alone {
			g = &group{name: groupName(b)}
			list = append(list, g)
		}
		if !b.alone {
			shared[key] = g
		}
		g.behaviours = append(g.behaviours, numbered{b, i})
	}
	return list
}

func groupName(b behaviour) string {
	var parts []string
	for name, set := range map[string]bool{
		"alone":                              b.alone,
		"node-port-addresses":                b.config.NodePortAddresses != nil,
		"localhost":                          b.config.Localhost,
		"masquerade-all":                     b.config.MasqueradeAll,
		"by-" + string(b.config.DetectLocal): b.config.DetectLocal != "",
		"services-" + b.config.Services:      b.config.Services != "",
		"beside-" + string(b.beside):         b.beside != "",
		"guarded":                            b.guarded,
		"close-unallocated":                  b.config.CloseUnallocated,
	} {
		if set {
			parts = append(parts, name)
		}
	}
	if parts == nil {
		return "default"
	}
	return strings.Join(slices.Sorted(slices.Values(parts)), ",")
}

// run runs the cases side by side, on one site with one proxy, which are made when the first case needs them.
func (g *group) run(t *testing.T, kind proxysite.Kind) {
	first := g.behaviours[0]
	stage := &stage{
		command: proxysite.Command{Kind: kind, Config: first.config}, beside: first.beside, guarded: first.guarded, ports: map[string]uint16{},
	}
	t.Cleanup(stage.strike)
	for _, b := range g.behaviours {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			if err := stage.set(t.Context()); err != nil {
				results.fail(b.name, kind, err.Error())
				t.Fatal(err)
			}
			b.run(t, newWorld(t, stage, b.number))
		})
	}
}

// stage is a site with a proxy.
type stage struct {
	command proxysite.Command
	beside  proxysite.Kind // another proxy on the node; "": none
	guarded bool
	once    sync.Once
	err     error
	site    *proxysite.Site
	// proxy and guard are changed by cases that are alone. A node-proxy that serves Services is its own guard.
	proxy, guard, neighbour *proxysite.Proxy
	end                     func()

	mu    sync.Mutex        // guards ports
	ports map[string]uint16 // the last that a host has used, by host and network
}

// freshPort is a port that the host has not used for long: with one that it has, it would meet an old flow again, which
// goes where it went before. TCP does not, as its connections are seen to end.
func (s *stage) freshPort(from *testnet.Host, v variant) uint16 {
	if v.network == "tcp" {
		return 0
	}
	const first, last = 10000, 29999
	s.mu.Lock()
	defer s.mu.Unlock()
	key := from.Name + " " + v.network
	if s.ports[key] < first || s.ports[key] == last {
		s.ports[key] = first - 1
	}
	s.ports[key]++
	return s.ports[key]
}

// set makes the site and starts the proxy, once.
func (s *stage) set(ctx context.Context) error {
	s.once.Do(func() {
		s.end, s.err = testnet.Begin(func(t testnet.T) error {
			s.site = plane.NewSite(context.WithoutCancel(ctx), t)
			return nil
		})
		if s.err == nil {
			s.err = s.start(ctx)
		}
	})
	return s.err
}

// start starts the one proxy or both.
func (s *stage) start(ctx context.Context) (err error) {
	if s.beside != "" {
		if s.neighbour, err = s.site.Start(ctx, proxysite.Command{Kind: s.beside}); err != nil {
			return err
		}
	}
	if s.proxy, err = s.site.Start(ctx, s.command); err != nil || !s.guarded {
		return err
	}
	if err := s.startGuard(ctx); err != nil {
		return err
	}
	return s.site.AwaitGuard(ctx)
}

// startGuard starts the guard where that is a process of its own.
func (s *stage) startGuard(ctx context.Context) (err error) {
	if s.command.Kind == proxysite.NodeProxy {
		return nil
	}
	config := s.command.Config
	config.Services = "none"
	s.guard, err = s.site.Start(ctx, proxysite.Command{Kind: proxysite.NodeProxy, Config: config})
	return err
}

// logs are the ends of what the proxies have written.
func (s *stage) logs() string {
	if s.guard == nil {
		return s.proxy.Log()
	}
	return s.proxy.Log() + "\nthe guard:\n" + s.guard.Log()
}

// strike ends the proxy and removes the site.
func (s *stage) strike() {
	for _, p := range []*proxysite.Proxy{s.proxy, s.guard, s.neighbour} {
		if p != nil {
			p.Stop()
		}
	}
	if s.end != nil {
		s.end()
	}
}

func newWorld(t *testing.T, s *stage, number int) *world {
	w := &world{
		stage: s, number: number, namespace: fmt.Sprintf("%s-%d", s.site.NodeName, number), written: map[string]client.Object{},
		services: map[string]*corev1.Service{}, nodePorts: map[string]int32{}, flows: map[string]*flow{}, before: map[string]string{},
	}
	_, err := s.site.Plane.API.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.clear)
	return w
}

// run goes through the steps of a case.
func (b behaviour) run(t *testing.T, w *world) {
	results.begin(b.name, w.command.Kind)
	for _, s := range b.steps() {
		err := s.change(t.Context(), w)
		if err == nil {
			err = w.site.Settled(t.Context())
		}
		if err != nil {
			results.fail(b.name, w.command.Kind, fmt.Sprintf("%s: %v", s.name, err))
			t.Fatalf("%s: %v\n%s", s.name, err, w.logs())
		}
		var asking sync.WaitGroup
		for _, p := range s.probes {
			for _, v := range p.variants() {
				asking.Go(func() { b.probe(t, w, s, p, v) })
			}
		}
		asking.Wait()
	}
}

// probe asks one question over one variant.
func (b behaviour) probe(t *testing.T, w *world, s step, p probe, v variant) {
	e := expect(w.command.Kind, b.name, s.name, p, v)
	got, err := w.askUntil(t.Context(), p, v, e.want)
	if err != nil {
		got = err.Error()
	}
	switch {
	case !e.isMet(got):
		what := fmt.Sprintf("%s over %s: %s", p, v, got)
		if s.name != "" {
			what = s.name + ", " + what
		}
		t.Errorf("%s; want %s", what, e.want)
		results.fail(b.name, w.command.Kind, what)
	case e.otherwise != nil:
		results.differ(b.name, w.command.Kind, e.otherwise.why)
	}
}

// askUntil asks once, or where it may take a moment until the answer is as expected, or it has taken too long.
func (w *world) askUntil(ctx context.Context, p probe, v variant, expected string) (string, error) {
	deadline := time.Now().Add(patience)
	for {
		got, err := w.ask(ctx, p, v, expected)
		if !p.eventually || got == expected || time.Now().After(deadline) {
			return got, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}
