package serviceports

import (
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UserSet reads the managed fields of svc once and returns whether a number was
// set by somebody: a field manager owns it on one of the entries that carry it.
// One that the API server or an admission webhook chose has no manager.
// Where the managed fields are empty or unreadable every number counts as set.
func UserSet(svc *corev1.Service) func(Request) bool {
	owned, ok := ownedBy(svc.ManagedFields)
	return func(r Request) bool {
		if !ok || r.Role == HealthCheck && owned.healthCheck {
			return true
		}
		for _, p := range r.Ports {
			if owned.ports[portKey{p.Port, p.Protocol}] {
				return true
			}
		}
		return false
	}
}

// SetBy returns the managed fields of a Service of whose numbers somebody has set those of requests, and no others: UserSet
// is true of these.
func SetBy(requests []Request) []metav1.ManagedFieldsEntry {
	type fields = map[string]any
	spec, ports := fields{}, fields{}
	for _, r := range requests {
		if r.Role == HealthCheck {
			spec["f:healthCheckNodePort"] = fields{}
		}
		for _, p := range r.Ports {
			key, _ := json.Marshal(portKey{p.Port, p.Protocol}) // a number and a string always can be
			ports["k:"+string(key)] = fields{"f:nodePort": fields{}}
		}
	}
	spec["f:ports"] = ports
	text, _ := json.Marshal(fields{"f:spec": spec})
	return []metav1.ManagedFieldsEntry{{FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(string(text))}}
}

// portKey is how FieldsV1 names an entry of spec.ports: k:{"port":80,"protocol":"TCP"}.
type portKey struct {
	Port     int32           `json:"port"`
	Protocol corev1.Protocol `json:"protocol"`
}

type ownedNumbers struct {
	ports       map[portKey]bool
	healthCheck bool
}

// ownedBy is false where entries tell nothing or cannot be read.
func ownedBy(entries []metav1.ManagedFieldsEntry) (ownedNumbers, bool) {
	owned := ownedNumbers{ports: map[portKey]bool{}}
	for _, e := range entries {
		if e.FieldsV1 == nil || e.Subresource == "status" {
			continue
		}
		if err := owned.add(e.FieldsV1.GetRawBytes()); err != nil {
			return ownedNumbers{}, false
		}
	}
	return owned, len(entries) > 0
}

func (o *ownedNumbers) add(fieldsV1 []byte) error {
	var fields struct {
		Spec struct {
			HealthCheck *struct{}                             `json:"f:healthCheckNodePort"`
			Ports       map[string]map[string]json.RawMessage `json:"f:ports"`
		} `json:"f:spec"`
	}
	if err := json.Unmarshal(fieldsV1, &fields); err != nil {
		return err
	}
	o.healthCheck = o.healthCheck || fields.Spec.HealthCheck != nil
	for name, entry := range fields.Spec.Ports {
		encoded, isKey := strings.CutPrefix(name, "k:")
		if _, set := entry["f:nodePort"]; !isKey || !set {
			continue
		}
		key := portKey{Protocol: corev1.ProtocolTCP}
		if err := json.Unmarshal([]byte(encoded), &key); err != nil {
			return err
		}
		o.ports[key] = true
	}
	return nil
}
