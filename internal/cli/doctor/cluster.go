package doctor

import (
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
)

// Names are those of config/default and config/node-proxy.
const (
	prefix          = "portolan-"
	deploymentName  = session.ManagerName
	leaseName       = "portolan-manager.portolan.dev"
	mutatingName    = prefix + "mutating-webhook-configuration"
	validatingName  = prefix + "validating-webhook-configuration"
	serviceName     = prefix + "webhook-service"
	secretName      = prefix + "webhook-server-cert"
	certManagerName = prefix + "webhook-serving-cert" // of components/certmanager
	ledgerPolicy    = prefix + "ledger"
	nodeNamespace   = "portolan-node"
	daemonSetName   = prefix + "node-proxy"
)

// Found is what came of reading something.
type Found[T any] struct {
	// Object is nil where there is none, and where it could not be read.
	Object *T
	// Err says why it could not be read; nil: it was, or there is none.
	Err error
}

// missing says whether it is known that there is none.
func (f Found[T]) missing() bool { return f.Object == nil && f.Err == nil }

// Cluster is what was read of one. Nothing in it is changed by a check.
type Cluster struct {
	*picture.Picture
	// Namespace is the manager's.
	Namespace string

	// Definitions are the CustomResourceDefinitions of Portolan's group, and Wanted those of this version.
	Definitions Found[[]apiextensionsv1.CustomResourceDefinition]
	Wanted      []apiextensionsv1.CustomResourceDefinition

	Deployment Found[appsv1.Deployment]
	Lease      Found[coordinationv1.Lease]

	Mutating   Found[admissionv1.MutatingWebhookConfiguration]
	Validating Found[admissionv1.ValidatingWebhookConfiguration]
	// Endpoints are those of the webhooks' Service.
	Endpoints Found[[]discoveryv1.EndpointSlice]
	// Asked is what came of a question to the webhooks.
	Asked Answer
	// Secret has the webhooks' certificate.
	Secret Found[corev1.Secret]

	Policy        Found[admissionv1.ValidatingAdmissionPolicy]
	PolicyBinding Found[admissionv1.ValidatingAdmissionPolicyBinding]
	LedgerBinding Found[admissionv1.ValidatingAdmissionPolicyBinding]

	// DaemonSet is node-proxy's.
	DaemonSet Found[appsv1.DaemonSet]
}

// Answer is what the API server said to the dry-run creation of a Service that names a pool which no namespace has: the
// mutating webhook refuses that, whatever the pools are.
type Answer struct {
	// Namespace is where the Service would be.
	Namespace string
	// Err is what it was refused with; nil: it was admitted.
	Err error
	// Took is how long the answer took.
	Took time.Duration
}
