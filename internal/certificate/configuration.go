package certificate

import (
	"bytes"
	"context"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// configuration is a webhook configuration of either kind.
type configuration struct {
	object client.Object
	// bundles are whom its webhooks trust; found is what they were when it was read.
	bundles []*[]byte
	found   [][]byte
}

// configurations are the two of ours. One that is not there calls nobody, so it has nobody to trust.
func (k *Keeper) configurations(ctx context.Context) ([]*configuration, error) {
	mutating, validating := &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}
	mutating.Name, validating.Name = k.Mutating, k.Validating
	var found []*configuration
	for _, object := range []client.Object{mutating, validating} {
		err := k.client.Get(ctx, client.ObjectKeyFromObject(object), object)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read webhook configuration %s: %w", object.GetName(), err)
		}
		found = append(found, &configuration{object: object})
	}
	for i := range mutating.Webhooks {
		found[0].add(&mutating.Webhooks[i].ClientConfig)
	}
	for i := range validating.Webhooks {
		found[len(found)-1].add(&validating.Webhooks[i].ClientConfig)
	}
	return found, nil
}

func (c *configuration) add(webhook *admissionv1.WebhookClientConfig) {
	c.bundles = append(c.bundles, &webhook.CABundle)
	c.found = append(c.found, webhook.CABundle)
}

// trust has all webhooks trust an authority, and says whether that changes anything.
func (c *configuration) trust(authority []byte, now time.Time) (changed bool) {
	for i, bundle := range c.bundles {
		*bundle = trusting(*bundle, authority, now)
		changed = changed || !bytes.Equal(*bundle, c.found[i])
	}
	return changed
}
