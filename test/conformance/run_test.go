package conformance

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/test/proxysite"
)

func TestBehaviours(t *testing.T) {
	if plane == nil {
		t.Skip("needs root: it makes network namespaces")
	}
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			for _, g := range groups(behaviours()) {
				t.Run(g.name, func(t *testing.T) { g.run(t, kind) })
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

func groups(all []behaviour) []*group {
	var list []*group
	shared := map[string]*group{}
	for i, b := range all {
		key := fmt.Sprintf("%+v", b.config)
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
	var zero proxysite.Config
	configured := strings.Trim(strings.Join(strings.Fields(fmt.Sprintf("%+v", b.config)), ","), "{}")
	switch {
	case b.alone:
		return "alone"
	case configured == strings.Trim(strings.Join(strings.Fields(fmt.Sprintf("%+v", zero)), ","), "{}"):
		return "default"
	}
	return configured
}

// run runs the cases side by side, on one site with one proxy, which are made when the first case needs them.
func (g *group) run(t *testing.T, kind proxysite.Kind) {
	command := proxysite.Command{Kind: kind, Config: g.behaviours[0].config}
	var proxy *proxysite.Proxy
	site := sync.OnceValue(func() *proxysite.Site {
		s := plane.NewSite(t.Context(), t)
		var err error
		if proxy, err = s.Start(t.Context(), command); err != nil {
			t.Fatal(err)
		}
		return s
	})
	t.Cleanup(func() {
		if proxy != nil {
			proxy.Stop()
		}
	})
	for _, b := range g.behaviours {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, site(), command, b.number)
			w.proxy = proxy
			defer func() { proxy = w.proxy }()
			b.run(t, w)
		})
	}
}

func newWorld(t *testing.T, s *proxysite.Site, command proxysite.Command, number int) *world {
	w := &world{
		site: s, command: command, number: number, namespace: fmt.Sprintf("%s-%d", s.NodeName, number),
		services: map[string]*corev1.Service{}, flows: map[string]*testnet.Flow{}, before: map[string]string{},
	}
	_, err := s.Plane.API.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.clear)
	return w
}

// run goes through the steps of a case.
func (b behaviour) run(t *testing.T, w *world) {
	kind := w.command.Kind
	results.begin(b.name, kind)
	for _, s := range b.steps() {
		if err := s.change(t.Context(), w); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if err := w.site.Settled(t.Context()); err != nil {
			t.Fatalf("%s: %v\n%s", s.name, err, w.proxy.Log())
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
	expected, why := expect(w.command.Kind, b.name, s.name, p, v)
	got, err := w.askUntil(t.Context(), p, v, expected)
	if err != nil {
		got = err.Error()
	}
	switch {
	case got != expected:
		what := fmt.Sprintf("%s over %s: %s", p, v, got)
		if s.name != "" {
			what = s.name + ", " + what
		}
		t.Errorf("%s; want %s", what, expected)
		results.fail(b.name, w.command.Kind, what)
	case why != "":
		results.differ(b.name, w.command.Kind, why)
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
