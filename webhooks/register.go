package webhooks

import (
	"net/http"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/internal/allocator"
)

// +kubebuilder:webhook:path=/mutate--v1-service,mutating=true,failurePolicy=ignore,sideEffects=NoneOnDryRun,groups="",resources=services,verbs=create;update,versions=v1,name=mservice.portolan.dev,admissionReviewVersions=v1,timeoutSeconds=3,matchPolicy=Equivalent,reinvocationPolicy=IfNeeded
// +kubebuilder:webhook:path=/validate--v1-service,mutating=false,failurePolicy=ignore,sideEffects=NoneOnDryRun,groups="",resources=services,verbs=create;update,versions=v1,name=vservice.portolan.dev,admissionReviewVersions=v1,timeoutSeconds=3,matchPolicy=Equivalent
// +kubebuilder:webhook:path=/validate-portolan-dev-v1alpha1-nodeportpool,mutating=false,failurePolicy=ignore,sideEffects=None,groups=portolan.dev,resources=nodeportpools,verbs=create;update;delete,versions=v1alpha1,name=vnodeportpool.portolan.dev,admissionReviewVersions=v1,timeoutSeconds=3,matchPolicy=Equivalent
// +kubebuilder:webhook:path=/validate-portolan-dev-v1alpha1-nodeportreservation,mutating=false,failurePolicy=ignore,sideEffects=None,groups=portolan.dev,resources=nodeportreservations,verbs=create;update,versions=v1alpha1,name=vnodeportreservation.portolan.dev,admissionReviewVersions=v1,timeoutSeconds=3,matchPolicy=Equivalent
// +kubebuilder:webhook:path=/validate-portolan-dev-v1alpha1-nodeportaccess,mutating=false,failurePolicy=ignore,sideEffects=None,groups=portolan.dev,resources=nodeportaccesses,verbs=create;update,versions=v1alpha1,name=vnodeportaccess.portolan.dev,admissionReviewVersions=v1,timeoutSeconds=3,matchPolicy=Equivalent

// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportpools,verbs=list;watch
// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportallocations,verbs=get;list;watch;create;update;delete

// Registry is where webhooks are served: a webhook.Server.
type Registry interface {
	Register(path string, hook http.Handler)
}

// Register serves the webhooks. cached reads from the watches, live asks the API server itself.
func Register(server Registry, scheme *runtime.Scheme, ledger *allocator.Ledger, cached, live client.Reader, events events.EventRecorder, clock clock.PassiveClock) {
	d := &desk{ledger: ledger, cached: cached, live: live, events: events, clock: clock, decoder: admission.NewDecoder(scheme)}
	for path, hook := range map[string]*admission.Webhook{
		"/mutate--v1-service":                                 admission.WithDefaulter(scheme, &serviceDefaulter{d}),
		"/validate--v1-service":                               admission.WithValidator(scheme, &serviceValidator{d}),
		"/validate-portolan-dev-v1alpha1-nodeportpool":        admission.WithValidator(scheme, &poolValidator{ledger, cached, clock}),
		"/validate-portolan-dev-v1alpha1-nodeportreservation": admission.WithValidator(scheme, reservationAdviser(d)),
		"/validate-portolan-dev-v1alpha1-nodeportaccess":      admission.WithValidator(scheme, accessAdviser(cached)),
	} {
		hook.RecoverPanic = new(false) // it would turn a panic into a refusal; failOpen does not
		server.Register(path, failOpen(timely(hook)))
	}
}
