package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/manager"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/install"
)

// setFailurePolicies gives the live webhooks failure policies, and takes them back at the end of the test.
func (w *world) setFailurePolicies(policies map[string]admissionv1.FailurePolicyType) {
	w.Helper()
	ctx := context.WithoutCancel(w.Context())
	set := func(policies map[string]admissionv1.FailurePolicyType) (before map[string]admissionv1.FailurePolicyType) {
		before = map[string]admissionv1.FailurePolicyType{}
		w.must(w.changeWebhooks(ctx, func(h webhook) {
			before[h.name] = *h.failurePolicy
			*h.failurePolicy = policies[h.name]
		}))
		return before
	}
	before := set(policies)
	w.Cleanup(func() { set(before) })
}

// follow runs the commands of a section of a page of docs/, as an administrator does.
func (w *world) follow(page, section string) {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(install.Repository(), "docs", page))
	w.must(err)
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	_, rest, fenced := strings.Cut(rest, "\n```\n")
	commands, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !fenced || !closed {
		w.Fatalf("%s has no commands under %q", page, section)
	}
	kubectl := w.Cluster.Kubectl(w.Context())
	shell := exec.CommandContext(w.Context(), "bash", "-euc", commands)
	shell.Env = append(kubectl.Env, "PATH="+filepath.Dir(kubectl.Path)+":"+os.Getenv("PATH"))
	if out, err := shell.CombinedOutput(); err != nil {
		w.Fatalf("%s: %v\n%s", section, err, out)
	}
}

func TestInStrictModeWithoutAManagerNodePortsAreRefusedUntilTheEmergencyPageIsFollowed(t *testing.T) {
	w := alone(t)
	strict := func(o *manager.Options) { o.Strict = true }
	w.start(strict)
	shop := w.namespace("shop")
	numbers := v1alpha1.PortRange{From: 31000, To: 31009} // Kubernetes gives these out last of all
	pool := w.pool("team-a", numbers, serving(shop))
	old := w.create(makeService(shop+"/old").NodePort(80, 0, Named("http")))
	w.wantWithin(old, numbers, 1)
	outside := makeService(shop+"/outside").NodePort(80, 31020) // nor does it give out this one
	w.awaitVerdict(outside, true)
	w.setFailurePolicies(w.render("strict").failurePolicies())
	w.stop()
	refused := func(name string, options ...client.CreateOption) error {
		_, err := w.tryCreate(makeService(shop+"/"+name).NodePort(80, 0), options...)
		if !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), `failed calling webhook "mservice.portolan.dev"`) {
			return fmt.Errorf("want a refusal that names the webhook, got %w", err)
		}
		return nil
	}
	w.must(refused("web"))
	if _, err := w.tryChange(old, addPort); !apierrors.IsInternalError(err) {
		t.Errorf("a Service with node ports is changed: %v", err)
	}

	// Nothing else is affected, and pools can be mended.
	w.change(old, relabel)
	w.create(makeService(shop + "/closed").Port(80))
	w.must(w.tryChangePool(pool, holding(60)))
	w.remove(old)

	w.follow("howto/emergency.md", "Let Services through")
	var web *corev1.Service
	w.eventually("Services go through", func() (err error) {
		web, err = w.tryCreate(makeService(shop+"/web").NodePort(80, 0))
		return err
	})
	w.follow("howto/emergency.md", "Go back")
	w.eventually("the webhooks are called for again", func() error { return refused("again", client.DryRunAll) })

	// With a manager all is as before: it needs no Service with node ports to start.
	w.start(strict)
	w.awaitVerdict(outside, true)
	w.wantWithin(w.create(makeService(shop+"/api").NodePort(80, 0)), numbers, 1)
	w.wantTrouble(web, reasonMisplaced)
	w.follow("howto/emergency.md", "Mend it")
}

func relabel(svc *corev1.Service) { svc.Labels = map[string]string{"tier": "front"} }

// addPort adds https to a Service whose ports have names.
func addPort(svc *corev1.Service) {
	svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: "https", Port: 443, TargetPort: intstr.FromInt32(443)})
}
