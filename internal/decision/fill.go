// Package decision is what admission makes of a Service or a reservation, in the steps in which it does so: what is filled
// in, what is judged, which numbers are chosen, which are claimed. The webhooks take the steps with a request, and write;
// kubectl portolan lint and explain take the same steps with a file (Foretell), and write nothing. So neither can say
// anything else than the other.
package decision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// FillOut fills in what follows from the Service itself, and from the live one; old is nil on create. It never rewrites
// what the user has set.
func FillOut(svc, old *corev1.Service) {
	fillName(svc)
	fillPorts(svc)
	if old != nil {
		serviceports.CarryOver(old, svc)
	}
}

// fillName completes generateName as the API server would after us: a claim needs to know whose it is.
func fillName(svc *corev1.Service) {
	const random = 5
	if svc.Name != "" || svc.GenerateName == "" {
		return
	}
	base := svc.GenerateName
	svc.Name = base[:min(len(base), validation.DNS1123LabelMaxLength-random)] + utilrand.String(random)
}

// fillPorts fills in a port that is left out but has a numeric targetPort, and the names of entries where there
// are several, which then need one: "tcp-80".
func fillPorts(svc *corev1.Service) {
	ports := svc.Spec.Ports
	for i := range ports {
		if target := ports[i].TargetPort; ports[i].Port == 0 && target.Type == intstr.Int {
			ports[i].Port = target.IntVal
		}
	}
	if len(ports) < 2 {
		return
	}
	for i := range ports {
		name := fmt.Sprintf("%s-%d", strings.ToLower(string(cmp.Or(ports[i].Protocol, corev1.ProtocolTCP))), ports[i].Port)
		taken := slices.ContainsFunc(ports, func(p corev1.ServicePort) bool { return p.Name == name })
		if ports[i].Name == "" && ports[i].Port != 0 && !taken {
			ports[i].Name = name
		}
	}
}

// GiveToProxy sets the label that gives a new Service to the proxy that the pools of its numbers name. What its owner
// has set stands. It is not for a live Service: to set or take the label moves its traffic to another proxy.
func GiveToProxy(chart *rules.Chart, svc *corev1.Service) {
	_, given := svc.Labels[v1alpha1.ServiceProxyNameLabel]
	if name := rules.ProxyName(chart, svc); name != "" && !given {
		metav1.SetMetaDataLabel(&svc.ObjectMeta, v1alpha1.ServiceProxyNameLabel, name)
	}
}
