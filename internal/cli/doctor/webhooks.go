package doctor

import (
	"errors"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// webhook is one of either configuration.
type webhook struct {
	configuration, name string
	policy              admissionv1.FailurePolicyType
	client              admissionv1.WebhookClientConfig
}

// webhooks are all of both configurations.
func (c *Cluster) webhooks() []webhook {
	var all []webhook
	if c.Mutating.Object != nil {
		for _, w := range c.Mutating.Object.Webhooks {
			all = append(all, webhook{"mutatingwebhookconfiguration/" + mutatingName, w.Name, ptr.Deref(w.FailurePolicy, admissionv1.Fail), w.ClientConfig})
		}
	}
	if c.Validating.Object != nil {
		for _, w := range c.Validating.Object.Webhooks {
			all = append(all, webhook{"validatingwebhookconfiguration/" + validatingName, w.Name, ptr.Deref(w.FailurePolicy, admissionv1.Fail), w.ClientConfig})
		}
	}
	return all
}

// admission looks whether the API server calls the webhooks, and whether somebody answers.
func admission(c *Cluster) (r Result) {
	const look = "kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations"
	if !r.unseen("mutatingwebhookconfiguration/"+mutatingName, c.Mutating.Err) && c.Mutating.missing() {
		r.trouble("mutatingwebhookconfiguration/"+mutatingName, "It is not there: no Service is given a number of its pools. To mend that, "+again, look)
	}
	if !r.unseen("validatingwebhookconfiguration/"+validatingName, c.Validating.Err) && c.Validating.missing() {
		r.trouble("validatingwebhookconfiguration/"+validatingName, "It is not there: pools and reservations are not checked, and Services that others change meanwhile are not either. To mend that, "+again, look)
	}
	c.endpoints(&r)
	c.asked(&r)
	c.policies(&r)
	return r
}

// endpoints looks whether there is anybody to call. Webhooks at a URL have none.
func (c *Cluster) endpoints(r *Result) {
	called := false
	for _, w := range c.webhooks() {
		called = called || w.client.Service != nil
	}
	if !called || r.unseen("endpointslices of service/"+serviceName, c.Endpoints.Err) {
		return
	}
	ready := 0
	for _, slice := range *c.Endpoints.Object {
		for _, e := range slice.Endpoints {
			if ptr.Deref(e.Conditions.Ready, true) {
				ready += len(e.Addresses[:min(1, len(e.Addresses))])
			}
		}
	}
	if ready == 0 && !c.elsewhere() {
		r.trouble("service/"+serviceName, "It has no ready endpoint: the API server finds nobody to ask.",
			fmt.Sprintf("kubectl -n %s get pods,endpointslices -l %s=%s", c.Namespace, discoveryv1.LabelServiceName, serviceName),
			fmt.Sprintf("kubectl -n %s get deployment,pods -o wide", c.Namespace))
	}
}

// asked looks at what became of the question.
func (c *Cluster) asked(r *Result) {
	logs := fmt.Sprintf("kubectl -n %s logs deployment/%s --all-pods --since=15m", c.Namespace, deploymentName)
	err := c.Asked.Err
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case strings.Contains(text, "failed calling webhook"):
		r.trouble("mutatingwebhookconfiguration/"+mutatingName, "The API server calls a webhook and gets no answer, so Services with node ports are refused: "+text+".", logs)
	case c.Asked.answered():
		r.Summary = fmt.Sprintf("answered within %d ms", c.Asked.Took.Milliseconds())
	case err == nil || strings.Contains(text, "ValidatingAdmissionPolicy"):
		if c.Mutating.missing() {
			return // said already
		}
		r.trouble("mutatingwebhookconfiguration/"+mutatingName,
			"The API server does not reach the webhooks, and Services go past them: one that Portolan always refuses was not refused in a dry run. Its log has `failed calling webhook`, and why; the manager is looked at above, the certificate below.",
			logs, "kubectl get --raw /metrics | grep -E 'apiserver_admission_webhook_(fail_open_count|request_total).*portolan'")
	case apierrors.IsForbidden(err):
		r.unseen("whether the webhooks answer", fmt.Errorf("you may not create Services in namespace %s: choose one in which you may, by -n", c.Asked.Namespace))
	default:
		r.unseen("whether the webhooks answer", errors.New("something else refused the dry run: "+text))
	}
}

// policies say what becomes of Services when nobody answers.
func (c *Cluster) policies(r *Result) {
	open, closed := 0, 0
	for _, w := range c.webhooks() {
		if w.policy == admissionv1.Ignore {
			open++
		} else {
			closed++
		}
	}
	text := ""
	switch {
	case open+closed == 0:
		return
	case closed == 0:
		text = "when nobody answers, Services go past (failurePolicy Ignore)"
	default:
		text = fmt.Sprintf("when nobody answers, Services are refused (failurePolicy Fail of %s)", term.Counted(closed, "webhook"))
	}
	if r.Summary != "" {
		text = r.Summary + "; " + text
	}
	r.Summary = text
}
