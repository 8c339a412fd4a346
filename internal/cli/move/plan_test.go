package move

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func accessOf(name string, ports ...string) v1alpha1.NodePortAccess {
	return v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: v1alpha1.NodePortAccessSpec{Ports: ports}}
}

func TestAMoveBeginsOnlyWhereItCanEnd(t *testing.T) {
	unnamed := MakeService("shop/web").NodePort(80, 30100).Obj()
	unnamed.Spec.Selector = map[string]string{"app": "web"}
	twice := web()
	twice.Spec.Ports[1].Name = "http-move"
	alone := web()
	alone.Spec.Selector = nil
	http := wish{to: 30200, port: "http", given: true}
	for _, tt := range []struct {
		name    string
		svc     *corev1.Service
		wish    wish
		objects picture.Objects
		ports   []string // of the plan
		want    string   // else the error
	}{
		{name: "one of several ports", svc: web(), wish: http, ports: []string{"http"}},
		{name: "all entries of a number", svc: web(), wish: wish{to: 30200, port: "dns-tcp", given: true}, ports: []string{"dns", "dns-tcp"}},
		{name: "an only port without a name", svc: unnamed, wish: wish{to: 30200, rename: "http"}, ports: []string{""}},
		{name: "no name", svc: unnamed, wish: wish{to: 30200}, want: "say --name http"},
		{name: "a name too many", svc: web(), wish: wish{to: 30200, port: "http", given: true, rename: "web"}, want: "that of Service web is http"},
		{name: "several ports", svc: web(), wish: wish{to: 30200}, want: "say which by --port, one of http, dns, dns-tcp"},
		{name: "an unknown port", svc: web(), wish: wish{to: 30200, port: "ftp", given: true}, want: `has the name "ftp", but http, dns, dns-tcp`},
		{name: "no node port", svc: MakeService("shop/web").Type(corev1.ServiceTypeClusterIP).Port(80).Obj(), wish: http, want: "no node port of Service web could change"},
		{name: "no number", svc: web(), wish: wish{port: "http", given: true}, want: "--to says which number"},
		{name: "the number that it has", svc: web(), wish: wish{to: 30100, port: "http", given: true}, want: "30100 is the number that Service web has"},
		{name: "the number of another port", svc: web(), wish: wish{to: 30153, port: "http", given: true}, want: "30153 is the number of another port"},
		{name: "no selector", svc: alone, wish: http, want: "since it has no selector"},
		{name: "the second entry's name is taken", svc: twice, wish: http, want: "would be named http-move, and there is one of that name"},
		{name: "access by another name", svc: web(), wish: http, objects: picture.Objects{Accesses: []v1alpha1.NodePortAccess{accessOf("office", "dns")}}, ports: []string{"http"}},
		{name: "access to all ports", svc: web(), wish: http, objects: picture.Objects{Accesses: []v1alpha1.NodePortAccess{accessOf("office")}}, ports: []string{"http"}},
		{name: "access by both names", svc: web(), wish: http, objects: picture.Objects{Accesses: []v1alpha1.NodePortAccess{accessOf("office", "http", "http-move")}}, ports: []string{"http"}},
		{name: "access by name", svc: web(), wish: http, objects: picture.Objects{Accesses: []v1alpha1.NodePortAccess{accessOf("office", "http")}},
			want: `kubectl patch npacc office -n shop --type=json -p='[{"op":"add","path":"/spec/ports/-","value":"http-move"}]'`},
		{name: "access cannot be read", svc: web(), wish: http, objects: picture.Objects{Gaps: []picture.Gap{{Kind: picture.Accesses}}}, ports: []string{"http"}},
		{name: "access can be read here", svc: web(), wish: http, objects: picture.Objects{Gaps: []picture.Gap{{Kind: picture.Accesses, Namespace: "shop"}}}, ports: []string{"http"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := plan(picture.New(tt.objects, now), tt.svc, tt.wish)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := &Mark{Ports: tt.ports, From: m.From, To: tt.wish.to, Since: metav1.NewTime(now)}
			if diff := cmp.Diff(want, m); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWhatElseSaysTheNumberIsNamed(t *testing.T) {
	promise := v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "promise"}}
	promise.Spec = v1alpha1.NodePortReservationSpec{ServiceName: "web", Ports: []v1alpha1.ReservedPort{{Name: "http", NodePort: 30100}}}
	const owns = `{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{"f:nodePort":{}}}}}`
	service := func() *Service { return MakeService("shop/web").NodePort(80, 30100, Named("http")) }
	owned := service().Obj()
	owned.OwnerReferences = []metav1.OwnerReference{{Kind: "Shop", Name: "eu"}}
	for _, tt := range []struct {
		name    string
		svc     *corev1.Service
		objects picture.Objects
		want    []string // what the sentences have
	}{
		{name: "nothing", svc: service().ManagedFields("kubectl-create", "", `{}`).Obj()},
		{name: "a manifest with the number", svc: service().ManagedFields("helm", "", owns).ManagedFields(manager, "", owns).Obj(),
			want: []string{"nodePort 30100 was set by helm: set 30200"}},
		{name: "Flux", svc: service().ManagedFields("flux", "", `{}`).Label("kustomize.toolkit.fluxcd.io/name", "apps").Obj(), want: []string{"applied by Flux (Kustomization), apps"}},
		{name: "Argo CD", svc: service().ManagedFields("argocd", "", `{}`).Annotation("argocd.argoproj.io/tracking-id", "shop").Obj(), want: []string{"applied by Argo CD, shop"}},
		{name: "an owner", svc: owned, want: []string{"belongs to Shop eu"}},
		{name: "a reservation", svc: service().ManagedFields("x", "", `{}`).Obj(), objects: picture.Objects{Reservations: []v1alpha1.NodePortReservation{promise}},
			want: []string{"NodePortReservation promise keeps 30100 for the Service: say 30200 in it"}},
		{name: "who may reach it cannot be read", svc: service().ManagedFields("x", "", `{}`).Obj(), objects: picture.Objects{Gaps: []picture.Gap{{Kind: picture.Accesses}}},
			want: []string{"a NodePortAccess that names port http must name http-move, too"}},
		{name: "who may reach it can be read here", svc: service().ManagedFields("x", "", `{}`).Obj(), objects: picture.Objects{Gaps: []picture.Gap{{Kind: picture.Accesses, Namespace: "shop"}}}},
		{name: "a load balancer", svc: service().ManagedFields("x", "", `{}`).LoadBalancer().Obj(), want: []string{"gets a listener"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := advice(picture.New(tt.objects, now), tt.svc, httpMark())
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
		})
	}
}
