package integration

import (
	"errors"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func givingTo(proxy string) poolOption {
	return func(s *v1alpha1.NodePortPoolSpec) { s.ServiceProxyName = proxy }
}

// proxyOf is the value of the label that gives a Service to a proxy, "-" without it.
func proxyOf(svc *corev1.Service) string {
	if name, given := svc.Labels[v1alpha1.ServiceProxyNameLabel]; given {
		return name
	}
	return "-"
}

func TestAPoolGivesNewServicesToItsProxy(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers, others := w.allot(20), w.allot(10)
	w.pool("by-portolan", numbers, serving(shop), givingTo("portolan"))
	w.pool("by-kube-proxy", others, serving(shop), withPriority(-1))
	w.reserve(shop+"/promise", "promised", entry("http", numbers.From+1))
	for _, tc := range []struct {
		name string
		svc  *Service
		want string
	}{
		{"a number that is set", makeService(shop+"/set").NodePort(80, numbers.From), "portolan"},
		{"one that is reserved", makeService(shop+"/promised").NodePort(80, 0, Named("http")), "portolan"},
		{"numbers of two pools", makeService(shop+"/both").NodePort(80, numbers.From+2, Named("a")).NodePort(81, others.From+1, Named("b")), "-"},
		{"a number that is chosen", makeService(shop+"/chosen").NodePort(80, 0), "portolan"},
		{"a load balancer with a health check", makeService(shop+"/lb").LoadBalancer().LocalTraffic().NodePort(80, 0), "portolan"},
		{"a number of a pool without a proxy", makeService(shop+"/other").NodePort(80, others.From), "-"},
		{"no number", makeService(shop + "/inside").Port(80), "-"},
		{"the owner's own label", makeService(shop+"/own").NodePort(80, 0).Label(v1alpha1.ServiceProxyNameLabel, "cilium"), "cilium"},
		{"the owner's other labels", makeService(shop+"/labels").NodePort(80, 0).Label("tier", "front"), "portolan"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := *w
			w.T = t
			before := maps.Clone(tc.svc.Obj().Labels)
			dry := w.create(tc.svc, client.DryRunAll)
			svc := w.create(tc.svc)
			if proxyOf(dry) != tc.want || proxyOf(svc) != tc.want {
				t.Errorf("it is given to %s, on dry-run to %s, want %s", proxyOf(svc), proxyOf(dry), tc.want)
			}
			delete(svc.Labels, v1alpha1.ServiceProxyNameLabel)
			delete(before, v1alpha1.ServiceProxyNameLabel)
			if !maps.Equal(svc.Labels, before) {
				t.Errorf("its other labels are %v, want %v", svc.Labels, before)
			}
		})
	}
}

func TestALiveServiceIsNeverGivenToAnotherProxy(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	pool := w.pool("team-a", w.allot(10), serving(shop))
	web, inside := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http"))), w.create(makeService(shop+"/inside").Port(80))
	wantProxy := func(what string, svc *corev1.Service, want string) {
		t.Helper()
		if got := proxyOf(w.fetch(svc)); got != want {
			t.Errorf("%s: it is given to %s, want %s", what, got, want)
		}
	}
	morePorts := func(svc *corev1.Service) {
		svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: "more", Port: 81})
	}
	w.changePool(pool, givingTo("portolan"))
	w.change(web, morePorts)
	wantProxy("a port is added", web, "-")
	w.change(inside, toType(corev1.ServiceTypeNodePort))
	wantProxy("it gets its first number", inside, "-")

	given := w.create(makeService(shop+"/given").NodePort(80, 0, Named("http")))
	wantProxy("a new one", given, "portolan")
	w.changePool(pool, givingTo("another"))
	w.change(given, morePorts)
	wantProxy("the pool names another proxy", given, "portolan")
	w.changePool(pool, givingTo(""))
	w.change(given, func(svc *corev1.Service) { svc.Labels["tier"] = "front" })
	wantProxy("the pool names none", given, "portolan")
	w.changePool(pool, givingTo("portolan"))
	w.change(given, func(svc *corev1.Service) { delete(svc.Labels, v1alpha1.ServiceProxyNameLabel) })
	wantProxy("its owner takes it back", given, "-")
	w.remove(given)
	wantProxy("it is created anew", w.create(makeService(shop+"/given").NodePort(80, 0)), "portolan")
}

func TestTheProxysLabelIsNobodysChange(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(10), serving(shop), givingTo("portolan"))
	manifest := `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: ` + shop + `, labels: {tier: front}}, spec: {type: NodePort, ports: [{port: 80}]}}`
	for _, flags := range [][]string{{"--server-side", "--field-manager=gitops"}, nil} {
		w.mustKubectl(manifest, append([]string{"apply", "-f", "-"}, flags...)...)
		if out := w.mustKubectl(manifest, append([]string{"diff", "-f", "-"}, flags...)...); out != "" {
			t.Errorf("kubectl diff %v prints\n%s", flags, out)
		}
		again := strings.Replace(manifest, "front", "back", 1)
		w.mustKubectl(again, append([]string{"apply", "-f", "-"}, flags...)...)
		web := w.fetch(makeService(shop + "/web").Obj())
		if proxyOf(web) != "portolan" || web.Labels["tier"] != "back" {
			t.Errorf("after kubectl apply %v of a change its labels are %v", flags, web.Labels)
		}
		w.remove(web)
	}
}

func TestAPoolNamesAProxyAsALabelWould(t *testing.T) {
	w := share(t)
	for name, good := range map[string]bool{
		"portolan": true, "P0rt.o_l-an": true, strings.Repeat("a", 63): true,
		"-portolan": false, "portolan.": false, "porto lan": false, "a/b": false, strings.Repeat("a", 64): false,
	} {
		err := w.Create(t.Context(), makePool(w.nameLike("team-a"), w.allot(1), serving("nobody"), givingTo(name)), client.DryRunAll)
		if good {
			w.must(err)
		} else {
			w.wantRefusal(err, "spec.serviceProxyName")
		}
	}
}

func TestAPoolThatGivesItsServicesToNobodyIsWarnedOf(t *testing.T) {
	w := share(t)
	proxy := w.nameLike("proxy") // that of no other test
	pool := makePool(w.nameLike("team-a"), w.allot(1), serving("nobody"), givingTo(proxy))
	pool.APIVersion, pool.Kind = v1alpha1.GroupVersion.String(), "NodePortPool"
	manifest, err := yaml.Marshal(pool)
	w.must(err)
	s := &transcript{world: w}
	s.apply("No node reports this proxy", pool)
	s.apply("Nothing changes", pool, "--dry-run=server")
	w.must(w.Delete(t.Context(), pool))
	one := w.withNodeProxies().on("one")
	w.must(one.report(t.Context(), v1alpha1.NodePortNodeStateStatus{Mode: v1alpha1.ProxyModeLabelled, ServiceProxyName: proxy}))
	w.eventually("the node's report is known", func() error {
		if out := w.mustKubectl(string(manifest), "apply", "--dry-run=server", "-f", "-"); strings.Contains(out, "Warning") {
			return errors.New(out)
		}
		return nil
	})
	s.apply("A node does", pool)
	w.golden("proxy-warnings", s.text.String())
}
