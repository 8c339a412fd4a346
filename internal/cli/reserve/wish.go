package reserve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// wish is what is to be reserved.
type wish struct {
	service types.NamespacedName
	name    string // of the reservation
	pool    string
	ports   []string // NAME[=NUMBER]
}

// reservation is the object that says so. Where no ports are named they are those of the live Service (nil: there is none),
// with the numbers that it has, and one to be chosen for each where it has none; without a Service it is one number for its
// only port.
func (w wish) reservation(live *corev1.Service) (*v1alpha1.NodePortReservation, error) {
	r := &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: w.service.Namespace, Name: w.name}}
	r.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePortReservation"))
	r.Spec.ServiceName, r.Spec.PoolName = w.service.Name, w.pool
	for _, text := range w.ports {
		port, err := parse(text)
		if err == nil {
			err = misnamed(port, live)
		}
		if err != nil {
			return nil, err
		}
		r.Spec.Ports = append(r.Spec.Ports, port)
	}
	if len(w.ports) == 0 {
		likeService(&r.Spec, live)
	}
	return r, nil
}

// parse reads NAME[=NUMBER]. The name may be empty: a Service with one port need not name it.
func parse(text string) (v1alpha1.ReservedPort, error) {
	name, number, given := strings.Cut(text, "=")
	if wrong := validation.IsDNS1123Label(name); name != "" && len(wrong) > 0 {
		return v1alpha1.ReservedPort{}, fmt.Errorf("--port %q: no port of a Service can be named %q: want NAME or NAME=NUMBER, such as http=30080, with a name of lower case letters, digits and hyphens", text, name)
	}
	if !given {
		return v1alpha1.ReservedPort{Name: name}, nil
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return v1alpha1.ReservedPort{}, fmt.Errorf("--port %q: %q is no port number: want NAME or NAME=NUMBER, such as http=30080", text, number)
	}
	return v1alpha1.ReservedPort{Name: name, NodePort: int32(n)}, nil
}

// misnamed refuses a name that is all digits, and with which no number stands: it was most likely meant as the number. A port
// of the live Service may well be named so.
func misnamed(port v1alpha1.ReservedPort, live *corev1.Service) error {
	named := func(p corev1.ServicePort) bool { return p.Name == port.Name }
	if port.Name == "" || port.NodePort != 0 || strings.Trim(port.Name, "0123456789") != "" || live != nil && slices.ContainsFunc(live.Spec.Ports, named) {
		return nil
	}
	return fmt.Errorf("--port %[1]s is the name of a port: did you mean --port NAME=%[1]s, or --port =%[1]s for a Service's only port?", port.Name)
}

// likeService reserves what a Service has. Entries that share a number each name it.
func likeService(spec *v1alpha1.NodePortReservationSpec, live *corev1.Service) {
	if live != nil {
		for _, r := range serviceports.Requests(live) {
			if r.Role == serviceports.HealthCheck {
				spec.HealthCheckNodePort = r.NodePort
			}
			for _, p := range r.Ports {
				spec.Ports = append(spec.Ports, v1alpha1.ReservedPort{Name: p.Name, NodePort: r.NodePort})
			}
		}
	}
	if live != nil && len(spec.Ports) == 0 {
		for _, p := range live.Spec.Ports {
			spec.Ports = append(spec.Ports, v1alpha1.ReservedPort{Name: p.Name})
		}
	}
	if len(spec.Ports) == 0 && spec.HealthCheckNodePort == 0 {
		spec.Ports = []v1alpha1.ReservedPort{{}}
	}
}
