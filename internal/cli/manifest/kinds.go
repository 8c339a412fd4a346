package manifest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	kjson "sigs.k8s.io/json"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// take keeps an object if it is of a kind that matters.
func (r *reader) take(o *Object, data []byte) {
	core := corev1.SchemeGroupVersion
	switch o.GroupVersionKind {
	case core.WithKind("Service"):
		svc := &corev1.Service{}
		r.namespaced(o, svc, func() { o.strictly(data, svc); defaultService(svc) })
		r.set.Services = append(r.set.Services, Of[*corev1.Service]{o, svc})
	case core.WithKind("Namespace"):
		ns := &corev1.Namespace{}
		o.Namespace = ""
		o.strictly(data, ns)
		r.set.Namespaces = append(r.set.Namespaces, Of[*corev1.Namespace]{o, ns})
	case v1alpha1.GroupVersion.WithKind("NodePortPool"):
		pool := &v1alpha1.NodePortPool{}
		o.Namespace = ""
		r.bySchema(o, data, pool)
		r.set.Pools = append(r.set.Pools, Of[*v1alpha1.NodePortPool]{o, pool})
	case v1alpha1.GroupVersion.WithKind("NodePortReservation"):
		reservation := &v1alpha1.NodePortReservation{}
		r.namespaced(o, reservation, func() { r.bySchema(o, data, reservation) })
		r.set.Reservations = append(r.set.Reservations, Of[*v1alpha1.NodePortReservation]{o, reservation})
	case v1alpha1.GroupVersion.WithKind("NodePortAccess"):
		access := &v1alpha1.NodePortAccess{}
		r.namespaced(o, access, func() { r.bySchema(o, data, access) })
		r.set.Accesses = append(r.set.Accesses, Of[*v1alpha1.NodePortAccess]{o, access})
	default:
		return
	}
	r.set.Objects = append(r.set.Objects, o)
}

// namespaced reads an object, and gives it the namespace that it will have.
func (r *reader) namespaced(o *Object, object metav1.Object, read func()) {
	o.Namespace = cmp.Or(o.Namespace, r.Namespace)
	read()
	object.SetNamespace(o.Namespace)
}

// strictly reads an object of Kubernetes' own.
func (o *Object) strictly(data []byte, into any) {
	unknown, err := kjson.UnmarshalStrict(data, into)
	for _, u := range unknown {
		f := Flaw{Text: u.Error()}
		if at := kjson.FieldError(nil); errors.As(u, &at) {
			f.Field = at.FieldPath()
		}
		f.Text = withoutField(f.Text)
		o.Flaws = append(o.Flaws, f)
	}
	if err != nil {
		o.Flaws = append(o.Flaws, o.wrongType(err))
	}
}

var quotedField = regexp.MustCompile(` "[^"]*"$`)

// withoutField is "unknown field" out of `unknown field "spec.port"`: the field is said before it.
func withoutField(text string) string { return quotedField.ReplaceAllString(text, "") }

// wrongType is the flaw of a value that cannot be read.
func (o *Object) wrongType(err error) Flaw {
	wrong := &json.UnmarshalTypeError{}
	if !errors.As(err, &wrong) {
		return Flaw{Text: err.Error(), Fatal: true}
	}
	is, kind := wordFor(wrong.Value), wrong.Type.Kind()
	text := fmt.Sprintf("is %s and must be %s", is, wordFor(kind.String()))
	suspect := func(n *yaml.Node) bool { return wordFor(n.ShortTag()) == is }
	if number, ok := strings.CutPrefix(wrong.Value, "number "); ok {
		text = fmt.Sprintf("%s is none of the numbers that it may be", number)
		suspect = func(n *yaml.Node) bool { return n.Value == number }
	}
	at := wrong.Field
	if fields := o.at.having(at, suspect); len(fields) > 0 {
		at = fields[0]
	}
	return Flaw{Field: at, Text: text, Fatal: true}
}

// wordFor is what people call a kind of values of JSON, of YAML (by its tag) or of Go.
func wordFor(kind string) string {
	switch kind {
	case "string", "!!str":
		return "a string"
	case "bool", "!!bool":
		return "true or false"
	case "number", "!!int", "!!float", "int32", "int64":
		return "a number"
	case "array", "slice", "!!seq":
		return "a list"
	}
	return "a mapping"
}

// bySchema reads an object of Portolan's.
func (r *reader) bySchema(o *Object, data []byte, into any) {
	object := map[string]any{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &object); err != nil {
		o.Flaws = append(o.Flaws, Flaw{Text: err.Error(), Fatal: true})
		return
	}
	unknown, errs := r.Schemas[o.GroupVersionKind].Admit(object)
	for _, path := range unknown {
		o.Flaws = append(o.Flaws, Flaw{Field: path, Text: "unknown field"})
	}
	for _, err := range errs {
		o.Flaws = append(o.Flaws, Flaw{Field: err.Field, Text: err.ErrorBody(), Fatal: true})
	}
	if !o.Readable() {
		return
	}
	data, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		o.Flaws = append(o.Flaws, Flaw{Text: err.Error(), Fatal: true})
	}
}

// defaultService fills in what the API server does before any webhook is called, as far as it matters to node ports.
// Source: SetDefaults_Service, k8s.io/kubernetes/pkg/apis/core/v1/defaults.go.
func defaultService(svc *corev1.Service) {
	svc.ManagedFields = nil // an export's: whoever applies the file sets all that is in it
	spec := &svc.Spec
	spec.Type = cmp.Or(spec.Type, corev1.ServiceTypeClusterIP)
	for i := range spec.Ports {
		p := &spec.Ports[i]
		p.Protocol = cmp.Or(p.Protocol, corev1.ProtocolTCP)
		if p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer && spec.AllocateLoadBalancerNodePorts == nil {
		spec.AllocateLoadBalancerNodePorts = new(true)
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer || spec.Type == corev1.ServiceTypeNodePort {
		spec.ExternalTrafficPolicy = cmp.Or(spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
}
