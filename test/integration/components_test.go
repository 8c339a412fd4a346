package integration

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/test/install"
)

// rendered are the objects of an overlay over config/default or config/node-proxy that uses a component.
type rendered struct {
	*world
	objects []*unstructured.Unstructured
}

// render builds testdata/overlays/<component>, which does as docs/ says.
func (w *world) render(component string) rendered {
	w.Helper()
	manifests := w.mustKubectl("", "kustomize", filepath.Join("testdata", "overlays", component))
	r := rendered{world: w}
	for document := range strings.SplitSeq(manifests, "\n---\n") {
		object := &unstructured.Unstructured{}
		w.must(utilyaml.Unmarshal([]byte(document), &object.Object))
		r.objects = append(r.objects, object)
	}
	return r
}

// named are the objects of a kind whose names begin with a prefix.
func (r rendered) named(kind, prefix string) (found []*unstructured.Unstructured) {
	for _, o := range r.objects {
		if o.GetKind() == kind && strings.HasPrefix(o.GetName(), prefix) {
			found = append(found, o)
		}
	}
	return found
}

// the fills into with the one object of its kind.
func (r rendered) the(kind string, into any) {
	r.Helper()
	found := r.named(kind, "")
	if len(found) != 1 {
		r.Fatalf("there are %d of kind %s, want one", len(found), kind)
	}
	r.must(runtime.DefaultUnstructuredConverter.FromUnstructured(found[0].Object, into))
}

// text is a field of an object; empty where there is none.
func text(o *unstructured.Unstructured, path ...string) string {
	value, _, _ := unstructured.NestedString(o.Object, path...)
	return value
}

func TestWithTheComponentCertmanagerTheManagerOnlyReadsItsCertificate(t *testing.T) {
	r := onShared(t).render("certmanager")
	certificates := r.named("Certificate", "portolan-webhook-serving-cert")
	if len(certificates) != 1 {
		t.Fatalf("there are %d certificates for the webhooks", len(certificates))
	}
	certificate := certificates[0]
	names, _, _ := unstructured.NestedStringSlice(certificate.Object, "spec", "dnsNames")
	configurations := r.webhooks()
	called := configurations.mutating.Webhooks[0].ClientConfig.Service
	if want := called.Name + "." + called.Namespace + ".svc"; !slices.Contains(names, want) {
		t.Errorf("the certificate is for %v, the API server calls %s", names, want)
	}
	want := certificate.GetNamespace() + "/" + certificate.GetName()
	for _, annotations := range []map[string]string{configurations.mutating.Annotations, configurations.validating.Annotations} {
		if got := annotations["cert-manager.io/inject-ca-from"]; got != want {
			t.Errorf("the CA is injected from %q, want %q", got, want)
		}
	}

	deployment := &appsv1.Deployment{}
	r.the("Deployment", deployment)
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	if !slices.Contains(container.Args, "--rotate-certificate=false") || !slices.Contains(container.Args, "--webhook-cert-dir="+container.VolumeMounts[0].MountPath) {
		t.Errorf("the manager has the arguments %v", container.Args)
	}
	if got := pod.Volumes[0]; got.Name != container.VolumeMounts[0].Name || got.Secret.SecretName != text(certificate, "spec", "secretName") {
		t.Errorf("mounted is %+v", got)
	}
	for _, kind := range []string{"Secret", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"} {
		for _, o := range append(r.named(kind, "portolan-certificate"), r.named("Secret", "")...) {
			t.Errorf("there still is %s %s", o.GetKind(), o.GetName())
		}
	}
	r.wantIssued(certificate)
}

func TestACertificateThatSomebodyElseKeepsIsServedWithoutRightsToIt(t *testing.T) {
	w := alone(t)
	w.start(nil) // this one makes it
	w.stop()
	w.takeAway("rbac.authorization.k8s.io/v1", "RoleBinding", "portolan-certificate")
	w.takeAway("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "portolan-certificate")
	w.start(func(o *manager.Options) { o.RotateCertificate, o.WebhookCertDir = false, w.CertDir })
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	w.wantWithin(w.create(makeService(shop+"/web").NodePort(80, 0)), numbers, 1)
}

// wantIssued follows a certificate's issuers up to the one that signs itself.
func (r rendered) wantIssued(certificate *unstructured.Unstructured) {
	r.Helper()
	if certificate.GetNamespace() != install.Namespace {
		r.Errorf("%s is in namespace %s", certificate.GetName(), certificate.GetNamespace())
	}
	issuers := r.named("Issuer", text(certificate, "spec", "issuerRef", "name"))
	if len(issuers) != 1 {
		r.Fatalf("%s has %d issuers", certificate.GetName(), len(issuers))
	}
	if _, selfSigned, _ := unstructured.NestedMap(issuers[0].Object, "spec", "selfSigned"); selfSigned {
		return
	}
	secret := text(issuers[0], "spec", "ca", "secretName")
	for _, authority := range r.named("Certificate", "") {
		if isCA, _, _ := unstructured.NestedBool(authority.Object, "spec", "isCA"); isCA && text(authority, "spec", "secretName") == secret {
			r.wantIssued(authority)
			return
		}
	}
	r.Errorf("no certificate of an authority is in Secret %q", secret)
}

func TestWithTheComponentStrictServicesDoNotGoPastTheManager(t *testing.T) {
	r := onShared(t).render("strict")
	want := map[string]admissionv1.FailurePolicyType{
		"mservice.portolan.dev": admissionv1.Fail, "vservice.portolan.dev": admissionv1.Fail, "vnodeportpool.portolan.dev": admissionv1.Ignore,
	}
	for name, got := range r.failurePolicies() {
		if want[name] != "" && got != want[name] {
			t.Errorf("failurePolicy of %s is %s, want %s", name, got, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("there is none of %v", want)
	}
	deployment := &appsv1.Deployment{}
	r.the("Deployment", deployment)
	if args := deployment.Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, "--strict") {
		t.Errorf("the manager has the arguments %v", args)
	}
}

// failurePolicies are those of all webhooks, by their names.
func (r rendered) failurePolicies() map[string]admissionv1.FailurePolicyType {
	r.Helper()
	policies := map[string]admissionv1.FailurePolicyType{}
	r.webhooks().each(func(h webhook) { policies[h.name] = *h.failurePolicy })
	return policies
}
