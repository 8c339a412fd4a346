package serviceports

import (
	"encoding/json"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

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

func TestSetByIsWhatUserSetReads(t *testing.T) {
	tcpOnly, udpOnly := traffic(30053, tcp(0, 53)), traffic(30054, udp(1, 53))
	check := Request{Role: HealthCheck, NodePort: 32000}
	all := []Request{tcpOnly, udpOnly, check}
	for set := range 1 << len(all) {
		svc := MakeService("a/b").Obj()
		var some []Request
		for i, r := range all {
			if set>>i&1 == 1 {
				some = append(some, r)
			}
		}
		svc.ManagedFields = SetBy(some)
		for i, r := range all {
			if got, want := UserSet(svc)(r), set>>i&1 == 1; got != want {
				t.Errorf("of %v UserSet(%v) = %t, want %t", some, r, got, want)
			}
		}
	}
}

// What field managers own is written by k8s.io's own library: who owns a number there has set it.
func TestANumberIsSetByWhomItsFieldIsOwned(t *testing.T) {
	set, unset := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		svc := services.Draw(t, "service")
		var managers []*fieldpath.Set
		for range rapid.IntRange(0, 3).Draw(t, "managers") {
			owned := drawOwned(t, svc)
			entry := metav1.ManagedFieldsEntry{Manager: "kubectl", FieldsType: "FieldsV1", Subresource: rapid.SampledFrom([]string{"", "", "status"}).Draw(t, "subresource")}
			text, err := owned.ToJSON()
			if err != nil {
				t.Fatal(err)
			}
			entry.FieldsV1 = metav1.NewFieldsV1(string(text))
			if svc.ManagedFields = append(svc.ManagedFields, entry); entry.Subresource == "" {
				managers = append(managers, owned)
			}
		}
		is := UserSet(svc)
		for _, r := range Stored(svc) {
			want := len(svc.ManagedFields) == 0 || slices.ContainsFunc(fieldsOf(r), func(p fieldpath.Path) bool {
				return slices.ContainsFunc(managers, func(m *fieldpath.Set) bool { return m.Has(p) })
			})
			if is(r) != want {
				t.Fatalf("%v: set by somebody is %t, want %t: %v", r, is(r), want, svc.ManagedFields)
			}
			if want {
				set++
			} else {
				unset++
			}
		}
	})
	if set < 20 || unset < 20 {
		t.Errorf("only %d numbers were set by somebody, and %d by nobody", set, unset)
	}
}

// drawOwned draws some of the fields of a Service.
func drawOwned(t *rapid.T, svc *corev1.Service) *fieldpath.Set {
	fields := []fieldpath.Path{fieldpath.MakePathOrDie("spec", "type"), fieldpath.MakePathOrDie("metadata", "labels"),
		fieldpath.MakePathOrDie("spec", "healthCheckNodePort"), fieldpath.MakePathOrDie("spec", "ports")}
	for _, p := range svc.Spec.Ports {
		entry := fieldpath.KeyByFields("port", p.Port, "protocol", string(p.Protocol))
		for _, field := range []string{"port", "nodePort", "name"} {
			fields = append(fields, fieldpath.MakePathOrDie("spec", "ports", entry, field))
		}
	}
	return fieldpath.NewSet(rapid.SliceOf(rapid.SampledFrom(fields)).Draw(t, "owned")...)
}

// fieldsOf are the fields that a number stands in.
func fieldsOf(r Request) []fieldpath.Path {
	if r.Role == HealthCheck {
		return []fieldpath.Path{fieldpath.MakePathOrDie("spec", "healthCheckNodePort")}
	}
	var fields []fieldpath.Path
	for _, p := range r.Ports {
		fields = append(fields, fieldpath.MakePathOrDie("spec", "ports", fieldpath.KeyByFields("port", p.Port, "protocol", string(p.Protocol)), "nodePort"))
	}
	return fields
}

// FuzzManagedFieldsAreReadOrEveryNumberCounts reads whatever stands there.
func FuzzManagedFieldsAreReadOrEveryNumberCounts(f *testing.F) {
	for _, seed := range []string{`{}`, ``, `{"f:spec":{"f:ports":{"k:{\"port\":53,\"protocol\":\"TCP\"}":{"f:nodePort":{}}}}}`, `{"f:spec":{"f:ports":{"k:":{"f:nodePort":{}}}}}`,
		`{"f:spec":[]}`, `{"f:spec":{"f:healthCheckNodePort":{}}}`, `{"f:spec":{"f:ports":{"v:1":{"f:nodePort":{}}}}}`, `null`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, fields string) {
		svc := MakeService("a/b").NodePort(53, 30053).HealthCheck(32000).ManagedFields("kubectl", "", fields).Obj()
		is := UserSet(svc)
		for _, r := range Stored(svc) {
			if !json.Valid([]byte(fields)) && !is(r) {
				t.Errorf("%q: nobody has set %v", fields, r)
			}
			if fields == "{}" && is(r) {
				t.Errorf("%q: somebody has set %v", fields, r)
			}
		}
	})
}
