package serviceports

import (
	"testing"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestANumberIsSetByTheUserIfAFieldManagerOwnsIt(t *testing.T) {
	const (
		tcpNumber   = `{"f:spec":{"f:ports":{".":{},"k:{\"port\":53,\"protocol\":\"TCP\"}":{".":{},"f:nodePort":{},"f:port":{}}}}}`
		tcpPortOnly = `{"f:spec":{"f:ports":{".":{},"k:{\"port\":53,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}},"f:type":{}}}`
		udpNumber   = `{"f:spec":{"f:ports":{"k:{\"port\":53,\"protocol\":\"UDP\"}":{"f:nodePort":{}}}}}`
		healthCheck = `{"f:spec":{"f:healthCheckNodePort":{}}}`
	)
	tcpOnly, shared := traffic(30053, tcp(0, 53)), traffic(30053, tcp(0, 53), udp(1, 53))
	check := Request{Role: HealthCheck, NodePort: 32000}
	for _, tc := range []struct {
		name    string
		svc     *Service
		request Request
		want    bool
	}{
		{"owned", MakeService("a/b").ManagedFields("kubectl", "", tcpNumber), tcpOnly, true},
		{"by the second manager", MakeService("a/b").ManagedFields("helm", "", tcpPortOnly).ManagedFields("kubectl", "", tcpNumber), tcpOnly, true},
		{"not when only the rest of the entry is", MakeService("a/b").ManagedFields("kubectl", "", tcpPortOnly), tcpOnly, false},
		{"not when another protocol's is", MakeService("a/b").ManagedFields("kubectl", "", udpNumber), tcpOnly, false},
		{"by one of the entries that share it", MakeService("a/b").ManagedFields("kubectl", "", udpNumber), shared, true},
		{"the health check", MakeService("a/b").ManagedFields("kubectl", "", healthCheck), check, true},
		{"not the health check when only a port is", MakeService("a/b").ManagedFields("kubectl", "", tcpNumber), check, false},
		{"not a port when only the health check is", MakeService("a/b").ManagedFields("kubectl", "", healthCheck), tcpOnly, false},
		{"not by a manager of the status", MakeService("a/b").ManagedFields("cloud", "status", tcpNumber), tcpOnly, false},
		{"without managed fields", MakeService("a/b"), tcpOnly, true},
		{"with fields that cannot be read", MakeService("a/b").ManagedFields("kubectl", "", `{"f:spec":[]}`), check, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := UserSet(tc.svc.Obj())(tc.request); got != tc.want {
				t.Errorf("UserSet() = %t, want %t", got, tc.want)
			}
		})
	}
}
