// Package wellformed says of a Service what the API server itself would refuse about its ports and the fields that go with
// them, whoever may have which number. It says it in the API server's words, and for the same fields.
//
// The policy: better to say nothing than to refuse what the API server would take. So what depends on the API server's
// version, names of hosts and addresses are left to it. Of an update only values are judged that are wrong by themselves: the live Service
// has what its manifest leaves out, and what a change of type leaves behind the API server wipes.
//
// Source: validateService, k8s.io/kubernetes/pkg/apis/core/validation/validation.go, and dropTypeDependentFields,
// k8s.io/kubernetes/pkg/registry/core/service/strategy.go, of Kubernetes 1.36.
package wellformed

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

var specPath = field.NewPath("spec")

// Errors are why the API server would refuse a Service, none for a Service that it takes as far as is known. The defaults of
// its ports, its type and its external traffic policy are filled in; old is the live Service, nil on create. Numbers out of
// the node port range are not among them: rules.Judge says so.
func Errors(svc, old *corev1.Service) field.ErrorList {
	if meetsWebhooks(svc) || old != nil && meetsWebhooks(old) {
		svc = svc.DeepCopy()
		decision.FillOut(svc, nil)
	}
	errs := portErrors(svc.Spec.Ports, old == nil)
	errs = append(errs, typeErrors(&svc.Spec)...)
	errs = append(errs, affinityErrors(&svc.Spec)...)
	errs = append(errs, trafficPolicyErrors(&svc.Spec, old == nil)...)
	if old == nil {
		errs = append(errs, missing(&svc.Spec)...)
		errs = append(errs, misplaced(&svc.Spec)...)
	}
	if old == nil || old.Spec.Type == corev1.ServiceTypeClusterIP {
		errs = append(errs, numbersOfClusterIP(&svc.Spec)...)
	}
	return errs
}

// meetsWebhooks says whether Portolan is asked before the API server judges, and fills in ports and names.
func meetsWebhooks(svc *corev1.Service) bool {
	return len(serviceports.Requests(svc)) > 0 ||
		svc.Spec.Type == corev1.ServiceTypeExternalName && len(serviceports.Stored(svc)) > 0
}

func typeErrors(spec *corev1.ServiceSpec) field.ErrorList {
	return notAmong(specPath.Child("type"), spec.Type, corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName,
		corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort)
}

// affinityErrors: where the timeout is left out, or the affinity is None, the API server fills it in, or takes it away.
func affinityErrors(spec *corev1.ServiceSpec) field.ErrorList {
	const day = 24 * 60 * 60
	if spec.SessionAffinity == "" {
		return nil
	}
	errs := notAmong(specPath.Child("sessionAffinity"), spec.SessionAffinity, corev1.ServiceAffinityClientIP, corev1.ServiceAffinityNone)
	config := spec.SessionAffinityConfig
	if spec.SessionAffinity != corev1.ServiceAffinityClientIP || config == nil || config.ClientIP == nil || config.ClientIP.TimeoutSeconds == nil {
		return errs
	}
	if seconds := *config.ClientIP.TimeoutSeconds; seconds <= 0 || seconds > day {
		errs = append(errs, field.Invalid(specPath.Child("sessionAffinityConfig", "clientIP", "timeoutSeconds"), seconds,
			fmt.Sprintf("must be greater than 0 and less than %d", day)))
	}
	return errs
}

// trafficPolicyErrors: on update the API server may wipe an external policy that the new type does not have.
func trafficPolicyErrors(spec *corev1.ServiceSpec, create bool) field.ErrorList {
	var errs field.ErrorList
	policy, at := spec.ExternalTrafficPolicy, specPath.Child("externalTrafficPolicy")
	unknown := notAmong(at, policy, corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal)
	switch {
	case policy == "":
	case externallyAccessible(spec):
		errs = append(errs, unknown...)
	case create || len(unknown) > 0:
		errs = append(errs, field.Invalid(at, policy, "may only be set for externally-accessible services"))
	}
	if internal := spec.InternalTrafficPolicy; internal != nil {
		errs = append(errs, notAmong(specPath.Child("internalTrafficPolicy"), *internal,
			corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal)...)
	}
	return errs
}

func externallyAccessible(spec *corev1.ServiceSpec) bool {
	return spec.Type == corev1.ServiceTypeLoadBalancer || spec.Type == corev1.ServiceTypeNodePort ||
		spec.Type == corev1.ServiceTypeClusterIP && len(spec.ExternalIPs) > 0
}

// missing is what a new Service has to have.
func missing(spec *corev1.ServiceSpec) field.ErrorList {
	if len(spec.Ports) == 0 && !headless(spec) && spec.Type != corev1.ServiceTypeExternalName {
		return field.ErrorList{field.Required(portsPath, "")}
	}
	return nil
}

func headless(spec *corev1.ServiceSpec) bool {
	return spec.ClusterIP == corev1.ClusterIPNone || len(spec.ClusterIPs) == 1 && spec.ClusterIPs[0] == corev1.ClusterIPNone
}

// misplaced is what a new Service of its type may not have.
func misplaced(spec *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	balanced := spec.Type == corev1.ServiceTypeLoadBalancer
	if headless(spec) && (balanced || spec.Type == corev1.ServiceTypeNodePort) {
		errs = append(errs, field.Invalid(specPath.Child("clusterIPs").Index(0), corev1.ClusterIPNone,
			"may not be set to 'None' for "+string(spec.Type)+" services"))
	}
	if spec.HealthCheckNodePort != 0 && (!balanced || spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal) {
		errs = append(errs, field.Invalid(specPath.Child("healthCheckNodePort"), spec.HealthCheckNodePort,
			"may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
	}
	const onlyBalanced = "may only be used when `type` is 'LoadBalancer'"
	if spec.AllocateLoadBalancerNodePorts != nil && !balanced {
		errs = append(errs, field.Forbidden(specPath.Child("allocateLoadBalancerNodePorts"), onlyBalanced))
	}
	if spec.LoadBalancerClass != nil && !balanced {
		errs = append(errs, field.Forbidden(specPath.Child("loadBalancerClass"), onlyBalanced))
	}
	return errs
}

// numbersOfClusterIP are node ports on a Service whose type has none.
func numbersOfClusterIP(spec *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	for i, p := range spec.Ports {
		if p.NodePort != 0 && spec.Type == corev1.ServiceTypeClusterIP {
			errs = append(errs, field.Forbidden(portsPath.Index(i).Child("nodePort"), "may not be used when `type` is 'ClusterIP'"))
		}
	}
	return errs
}

// notAmong is the error of a value that is none of those that there are.
func notAmong[T ~string](at *field.Path, value T, known ...T) field.ErrorList {
	if slices.Contains(known, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(at, value, known)}
}

// invalid are the errors of a value, by what is wrong with it.
func invalid(at *field.Path, value any, wrong []string) field.ErrorList {
	var errs field.ErrorList
	for _, text := range wrong {
		errs = append(errs, field.Invalid(at, value, text))
	}
	return errs
}

func number(at *field.Path, value int32) field.ErrorList {
	return invalid(at, value, validation.IsValidPortNum(int(value)))
}
