package integration

import (
	"context"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// webhooks are both webhook configurations.
type webhooks struct {
	mutating   admissionv1.MutatingWebhookConfiguration
	validating admissionv1.ValidatingWebhookConfiguration
}

// webhook is what webhooks of both kinds have.
type webhook struct {
	name          string
	failurePolicy *admissionv1.FailurePolicyType
	timeout       *int32 // seconds
}

// each visits all webhooks. It may change what the pointers lead to.
func (c *webhooks) each(visit func(webhook)) {
	for i := range c.mutating.Webhooks {
		w := &c.mutating.Webhooks[i]
		visit(webhook{w.Name, w.FailurePolicy, w.TimeoutSeconds})
	}
	for i := range c.validating.Webhooks {
		w := &c.validating.Webhooks[i]
		visit(webhook{w.Name, w.FailurePolicy, w.TimeoutSeconds})
	}
}

// changeWebhooks changes each webhook that the API server calls.
func (p *plane) changeWebhooks(ctx context.Context, change func(webhook)) error {
	var live webhooks
	if err := p.Get(ctx, client.ObjectKey{Name: "portolan-mutating-webhook-configuration"}, &live.mutating); err != nil {
		return err
	}
	if err := p.Get(ctx, client.ObjectKey{Name: "portolan-validating-webhook-configuration"}, &live.validating); err != nil {
		return err
	}
	live.each(change)
	if err := p.Update(ctx, &live.mutating); err != nil {
		return err
	}
	return p.Update(ctx, &live.validating)
}

// webhooks are those of the manifests.
func (r rendered) webhooks() *webhooks {
	r.Helper()
	var c webhooks
	r.the("MutatingWebhookConfiguration", &c.mutating)
	r.the("ValidatingWebhookConfiguration", &c.validating)
	return &c
}
