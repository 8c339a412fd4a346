package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/admissionpolicy"
)

// reader reads with the caller's rights.
type reader struct {
	client.Client
	namespace string // the manager's
	own       string // the caller's
	clock     clock.PassiveClock
}

// install reads all but the picture, side by side.
func (r reader) install(ctx context.Context, c *Cluster) error {
	c.Namespace = r.namespace
	var err error
	if c.Wanted, err = wantedDefinitions(); err != nil {
		return err
	}
	if err := apiextensionsv1.AddToScheme(r.Scheme()); err != nil {
		return err
	}
	var reading sync.WaitGroup
	for _, read := range []func(){
		func() { c.Definitions = r.definitions(ctx) },
		func() { get(ctx, r, &c.Deployment, r.namespace, deploymentName) },
		func() { get(ctx, r, &c.Lease, r.namespace, leaseName) },
		func() { get(ctx, r, &c.Mutating, "", mutatingName) },
		func() { get(ctx, r, &c.Validating, "", validatingName) },
		func() { get(ctx, r, &c.Policy, "", admissionpolicy.Name) },
		func() { get(ctx, r, &c.PolicyBinding, "", admissionpolicy.Name) },
		func() { get(ctx, r, &c.LedgerBinding, "", ledgerPolicy) },
		func() { get(ctx, r, &c.DaemonSet, nodeNamespace, daemonSetName) },
		func() { c.Endpoints = r.endpoints(ctx) },
		func() { c.Secret = r.secret(ctx) },
		func() { c.Asked = r.ask(ctx) },
	} {
		reading.Go(read)
	}
	reading.Wait()
	return nil
}

// get reads an object. That there is none is no error.
func get[T any, P interface {
	*T
	client.Object
}](ctx context.Context, r reader, into *Found[T], namespace, name string) {
	object := new(T)
	switch err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, P(object)); {
	case err == nil:
		into.Object = object
	case !apierrors.IsNotFound(err):
		into.Err = reason(err)
	}
}

// reason is an error as it is read beside the name of what it is about.
func reason(err error) error {
	if apierrors.IsForbidden(err) {
		return errors.New("you may not read it")
	}
	return err
}

func (r reader) definitions(ctx context.Context) (found Found[[]apiextensionsv1.CustomResourceDefinition]) {
	var list apiextensionsv1.CustomResourceDefinitionList
	if found.Err = r.List(ctx, &list); found.Err != nil {
		found.Err = reason(found.Err)
		return found
	}
	ours := slices.DeleteFunc(list.Items, func(d apiextensionsv1.CustomResourceDefinition) bool {
		return d.Spec.Group != v1alpha1.GroupVersion.Group
	})
	found.Object = &ours
	return found
}

func (r reader) endpoints(ctx context.Context) (found Found[[]discoveryv1.EndpointSlice]) {
	var list discoveryv1.EndpointSliceList
	err := r.List(ctx, &list, client.InNamespace(r.namespace), client.MatchingLabels{discoveryv1.LabelServiceName: serviceName})
	if err != nil {
		return Found[[]discoveryv1.EndpointSlice]{Err: reason(err)}
	}
	return Found[[]discoveryv1.EndpointSlice]{Object: &list.Items}
}

// secret is cert-manager's where that makes the certificate, else the manager's.
func (r reader) secret(ctx context.Context) (found Found[corev1.Secret]) {
	if get(ctx, r, &found, r.namespace, certManagerName); found.missing() {
		get(ctx, r, &found, r.namespace, secretName)
	}
	return found
}

// nobodys is a pool that no namespace has: no name of a pool has so many characters.
const nobodys = "asked-by-kubectl-portolan-doctor-whether-anybody-refuses-what-no-namespace-has"

// ask asks the webhooks.
func (r reader) ask(ctx context.Context) Answer {
	question := &corev1.Service{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "portolan-doctor-", Namespace: r.own, Annotations: map[string]string{v1alpha1.PoolAnnotation: nobodys}}}
	question.Spec.Type = corev1.ServiceTypeNodePort
	question.Spec.Ports = []corev1.ServicePort{{Port: 80}}
	began := r.clock.Now()
	err := r.Create(ctx, question, client.DryRunAll)
	answer := Answer{Namespace: r.own, Err: err, Took: r.clock.Since(began)}
	if apierrors.IsNotFound(err) {
		answer.Err = fmt.Errorf("there is no namespace %s", r.own)
	}
	return answer
}
