package rules

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// NotReserved begins each warning of admission that says why a number is not reserved, as the condition does, too.
const NotReserved = "not reserved: "

// ReservationQuestion asks for the numbers of a reservation as its Service would: nodePort 0 is to be chosen. Those
// that are kept already are not judged again. The errors of the answer have the fields of the reservation.
func ReservationQuestion(r *v1alpha1.NodePortReservation, kept []int32, namespaceLabels map[string]string, now time.Time) Question {
	return Question{
		Service: serviceOf(r), Old: serviceOf(only(r, kept)), Namespace: r.Namespace, NamespaceLabels: namespaceLabels,
		Now: now, Reservation: r.Name,
	}
}

// Promises are requests of a ReservationQuestion as they are claimed: what is known of an entry is its name.
func Promises(requests []serviceports.Request) []serviceports.Request {
	promises := slices.Clone(requests)
	for i, r := range promises {
		promises[i].Ports = slices.Clone(r.Ports)
		for j, p := range r.Ports {
			promises[i].Ports[j] = serviceports.Port{Index: p.Index, Name: p.Name}
		}
	}
	return promises
}

// only is a reservation with these numbers and no others.
func only(r *v1alpha1.NodePortReservation, numbers []int32) *v1alpha1.NodePortReservation {
	r = r.DeepCopy()
	for i := range r.Spec.Ports {
		if !slices.Contains(numbers, r.Spec.Ports[i].NodePort) {
			r.Spec.Ports[i].NodePort = 0
		}
	}
	if !slices.Contains(numbers, r.Spec.HealthCheckNodePort) {
		r.Spec.HealthCheckNodePort = 0
	}
	return r
}

// serviceOf is a Service that has the numbers of a reservation and nothing else.
func serviceOf(r *v1alpha1.NodePortReservation) *corev1.Service {
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Spec.ServiceName},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: entriesOf(r.Spec.Ports)},
	}
	if r.Spec.PoolName != "" {
		svc.Annotations = map[string]string{v1alpha1.PoolAnnotation: r.Spec.PoolName}
	}
	if r.Spec.HealthCheckNodePort != 0 {
		svc.Spec.Type = corev1.ServiceTypeLoadBalancer
		svc.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
		svc.Spec.HealthCheckNodePort = r.Spec.HealthCheckNodePort
	}
	return svc
}

// entriesOf has entries of one number on one `port`, each with a protocol of its own, as a Service must have them; all
// others are on different ones. What they really are nobody knows yet.
func entriesOf(ports []v1alpha1.ReservedPort) []corev1.ServicePort {
	protocols := []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
	sharing := map[int32][]corev1.ServicePort{}
	entries := make([]corev1.ServicePort, len(ports))
	for i, p := range ports {
		e := corev1.ServicePort{Name: p.Name, Port: int32(i + 1), Protocol: protocols[0], NodePort: p.NodePort}
		if with := sharing[p.NodePort]; p.NodePort != 0 && len(with) > 0 {
			e.Port = with[0].Port
			e.Protocol = protocols[min(len(with), len(protocols)-1)]
		}
		sharing[p.NodePort] = append(sharing[p.NodePort], e)
		entries[i] = e
	}
	return entries
}
