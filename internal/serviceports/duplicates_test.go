package serviceports

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestDuplicateNumbersAreThoseKubernetesRefuses(t *testing.T) {
	const (
		sameProtocol = "spec.ports[1].nodePort: Invalid value: 30080: already used by spec.ports[0].nodePort with the same protocol"
		otherPort    = "spec.ports[1].nodePort: Invalid value: 30080: already used by spec.ports[0].nodePort with another `port`"
		healthCheck  = "spec.healthCheckNodePort: Invalid value: 30080: already used by spec.ports[0].nodePort of this Service"
	)
	for _, tc := range []struct {
		name                   string
		svc                    *Service
		wantCreate, wantUpdate []string
	}{
		{
			name: "TCP, UDP and SCTP on one `port` may share a number",
			svc:  MakeService("a/b").NodePort(80, 30080).NodePort(80, 30080, UDP).NodePort(80, 30080, SCTP),
		},
		{
			name:       "two entries of one protocol may not",
			svc:        MakeService("a/b").NodePort(80, 30080).NodePort(81, 30080),
			wantCreate: []string{sameProtocol},
			wantUpdate: []string{sameProtocol},
		},
		{
			name:       "two protocols on different `port`s may not from the start, but may after an update",
			svc:        MakeService("a/b").NodePort(80, 30080).NodePort(81, 30080, UDP),
			wantCreate: []string{otherPort},
		},
		{
			name: "entries without a number are no duplicates",
			svc:  MakeService("a/b").LoadBalancer().LocalTraffic().Port(80).Port(81),
		},
		{
			name:       "the health check may not have the number of a port",
			svc:        MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(30080).NodePort(80, 30080),
			wantCreate: []string{healthCheck},
			wantUpdate: []string{healthCheck},
		},
		{
			name: "where nothing is allocated the API server's validation is enough",
			svc:  MakeService("a/b").NodePort(80, 30080).NodePort(81, 30080).Type(corev1.ServiceTypeExternalName),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.wantCreate, duplicates(nil, tc.svc)); diff != "" {
				t.Errorf("on create (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantUpdate, duplicates(MakeService("a/b").NodePort(80, 30099).Obj(), tc.svc)); diff != "" {
				t.Errorf("on update (-want +got):\n%s", diff)
			}
		})
	}
}

func duplicates(live *corev1.Service, svc *Service) []string {
	var texts []string
	for _, err := range DuplicateNumbers(live, svc.Obj()) {
		texts = append(texts, err.Error())
	}
	return texts
}
