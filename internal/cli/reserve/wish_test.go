package reserve

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestAReservationSaysWhatIsWishedForElseWhatTheServiceHas(t *testing.T) {
	ports := func(all ...v1alpha1.ReservedPort) v1alpha1.NodePortReservationSpec {
		return v1alpha1.NodePortReservationSpec{ServiceName: "web", Ports: all}
	}
	balancer := ports(v1alpha1.ReservedPort{Name: "http", NodePort: 30100})
	balancer.HealthCheckNodePort = 30900
	for _, tt := range []struct {
		name  string
		ports []string
		live  *corev1.Service
		want  v1alpha1.NodePortReservationSpec
	}{
		{"a number and one to be chosen", []string{"http=30080", "admin"}, nil,
			ports(v1alpha1.ReservedPort{Name: "http", NodePort: 30080}, v1alpha1.ReservedPort{Name: "admin"})},
		{"a number for a port without a name", []string{"=30080"}, nil, ports(v1alpha1.ReservedPort{NodePort: 30080})},
		{"nothing, and no Service", nil, nil, ports(v1alpha1.ReservedPort{})},
		{"nothing, and a Service without node ports", nil, MakeService("shop/web").Type(corev1.ServiceTypeClusterIP).Port(80).Obj(), ports(v1alpha1.ReservedPort{})},
		{"nothing, and a Service with named ports and no node ports", nil,
			MakeService("shop/web").Type(corev1.ServiceTypeClusterIP).Port(80, Named("http")).Port(90, Named("admin")).Obj(),
			ports(v1alpha1.ReservedPort{Name: "http"}, v1alpha1.ReservedPort{Name: "admin"})},
		{"protocols share a number", nil, MakeService("shop/web").NodePort(53, 30153, Named("dns")).NodePort(53, 30153, Named("dns-udp"), UDP).Obj(),
			ports(v1alpha1.ReservedPort{Name: "dns", NodePort: 30153}, v1alpha1.ReservedPort{Name: "dns-udp", NodePort: 30153})},
		{"a load balancer's health checks", nil, MakeService("shop/web").LoadBalancer().LocalTraffic().HealthCheck(30900).NodePort(80, 30100, Named("http")).Obj(), balancer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := wish{service: types.NamespacedName{Namespace: "shop", Name: "web"}, name: "promise", ports: tt.ports}
			r, err := w.reservation(tt.live)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, r.Spec); diff != "" || r.Namespace != "shop" || r.Name != "promise" {
				t.Errorf("%s/%s (-want +got)\n%s", r.Namespace, r.Name, diff)
			}
		})
	}
}

func TestAPortThatCannotBeReadIsRefusedWithHowItIsWritten(t *testing.T) {
	for _, text := range []string{"http=", "http=0", "http=65536", "http=-1", "http=web", "http:30140", "Http=30080", "a_b", "-"} {
		if port, err := parse(text); err == nil || !strings.Contains(err.Error(), "want NAME or NAME=NUMBER, such as http=30080") {
			t.Errorf("%q was read as %+v, %v", text, port, err)
		}
	}
}

func TestAVerdictIsOnTheReservationAsItIs(t *testing.T) {
	r := &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "promise", Generation: 2}}
	r.Spec.ServiceName = "web"
	if got := verdict(r); got != nil {
		t.Errorf("before there is one it is %+v", got)
	}
	r.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReservationReady, Status: metav1.ConditionTrue, ObservedGeneration: 1}}
	if got := verdict(r); got != nil {
		t.Errorf("that on an earlier one counts: %+v", got)
	}
	r.Status.Conditions[0].ObservedGeneration = 2
	r.Status.Ports = []v1alpha1.ReservedPortStatus{{Name: "http", NodePort: 30080}, {NodePort: 30081}}
	r.Status.HealthCheckNodePort = 30900
	const want = "NodePortReservation promise keeps for Service web: 30080 (http), 30081, 30900 (healthCheckNodePort)\n"
	if got := told(r, verdict(r)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestANumberInThePlaceOfANameIsRefusedUnlessThatIsOne(t *testing.T) {
	named := MakeService("shop/web").NodePort(80, 30100, Named("8080")).Obj()
	for _, tt := range []struct {
		port    string
		live    *corev1.Service
		refused bool
	}{
		{"30150", nil, true},
		{"30150", named, true},
		{"8080", named, false},
		{"8080=30150", nil, false},
		{"=30150", nil, false},
		{"web1", nil, false},
	} {
		w := wish{service: types.NamespacedName{Namespace: "shop", Name: "web"}, ports: []string{tt.port}}
		if _, err := w.reservation(tt.live); (err != nil) != tt.refused || err != nil && !strings.Contains(err.Error(), "did you mean --port NAME=30150, or --port =30150") {
			t.Errorf("%s: %v", tt.port, err)
		}
	}
}

// FuzzAPortIsReadOrRefused reads whatever a flag may say: what is read is what was written, with a number of a port or none.
func FuzzAPortIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{"http", "http=30080", "=30080", "", "=", "http=0", "http=65536", "a=b=1", "Http", "http=+1", "http=007"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		port, err := parse(text)
		name, number, given := strings.Cut(text, "=")
		switch {
		case err != nil && port != v1alpha1.ReservedPort{}:
			t.Errorf("%q: got %v and an error: %v", text, port, err)
		case err == nil && (port.Name != name || given != (port.NodePort > 0) || given && strings.TrimLeft(number, "0") != fmt.Sprint(port.NodePort)):
			t.Errorf("%q: got %v", text, port)
		}
	})
}
