package reserve

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// verdict is what the controller says of a reservation as it is now; nil: nothing yet.
func verdict(r *v1alpha1.NodePortReservation) *metav1.Condition {
	ready := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ReservationReady)
	if ready == nil || ready.ObservedGeneration != r.Generation {
		return nil
	}
	return ready
}

// told is what a verdict means, for somebody who has just asked.
func told(r *v1alpha1.NodePortReservation, ready *metav1.Condition) string {
	if ready.Status == metav1.ConditionTrue {
		return fmt.Sprintf("NodePortReservation %s keeps for Service %s: %s\n", r.Name, r.Spec.ServiceName, numbers(&r.Status))
	}
	text := fmt.Sprintf("NodePortReservation %s does not keep all of it (%s): %s\n", r.Name, ready.Reason, ready.Message)
	if kept := numbers(&r.Status); kept != "" {
		text += fmt.Sprintf("It keeps: %s\n", kept)
	}
	return text + fmt.Sprintf(`It stays, and is tried again when that changes. To change it, or to take it away:
  kubectl edit npr %[1]s -n %[2]s
  kubectl delete npr %[1]s -n %[2]s
`, r.Name, r.Namespace)
}

// numbers are those that are kept: "30080 (http), 30081".
func numbers(status *v1alpha1.NodePortReservationStatus) string {
	var texts []string
	for _, p := range status.Ports {
		text := fmt.Sprint(p.NodePort)
		if p.Name != "" {
			text += " (" + p.Name + ")"
		}
		texts = append(texts, text)
	}
	if n := status.HealthCheckNodePort; n != 0 {
		texts = append(texts, fmt.Sprintf("%d (healthCheckNodePort)", n))
	}
	return strings.Join(texts, ", ")
}
