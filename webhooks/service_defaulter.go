package webhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// serviceDefaulter fills in what a Service leaves to be chosen: node ports, a few fields that follow from others, and
// on create the proxy that its pools name. It never rewrites what the user has set.
type serviceDefaulter struct{ *desk }

// Default implements admission.Defaulter.
func (d *serviceDefaulter) Default(ctx context.Context, svc *corev1.Service) error {
	return counted(ctx, "default", func(ctx context.Context) error { return d.fill(ctx, svc) })
}

func (d *serviceDefaulter) fill(ctx context.Context, svc *corev1.Service) error {
	old, err := d.oldService(ctx)
	if err != nil {
		return err
	}
	fillName(svc)
	fillPorts(svc)
	if old != nil {
		serviceports.CarryOver(old, svc)
	}
	q, err := d.question(ctx, svc, old)
	if err != nil {
		return err
	}
	exists, err := d.exists(ctx, q)
	if err != nil {
		return err
	}
	if !exists { // else its reserved numbers are in use, and Kubernetes would say so in place of AlreadyExists
		d.ledger.FillReserved(claimant(q), svc)
	}
	answer := rules.Judge(d.ledger.Chart(), d.ledger, q)
	if len(answer.Errors) > 0 {
		d.report(ctx, q, enforced(answer)...)
		return refusal(q, answer.Errors)
	}
	// An entry that shares a number gets it from us: on update the API server would pick it one of its own.
	serviceports.Set(svc, numbered(serviceports.Requests(svc)))
	chosen, err := d.choose(ctx, q, answer, exists)
	switch {
	case errors.Is(err, allocator.ErrExhausted) && !answer.Enforced: // only warned about: Kubernetes picks a number
		d.report(ctx, q, rules.NewBreach(rules.ReasonExhausted, false, rules.Exhausted(d.ledger, q, answer.Pools), answer.Pools...))
		return nil
	case err != nil:
		return d.refused(ctx, q, answer, err)
	}
	serviceports.Set(svc, chosen)
	if old == nil {
		d.giveToProxy(svc)
	}
	return nil
}

// giveToProxy sets the label that gives a new Service to the proxy that the pools of its numbers name. What its owner
// has set stands. A live Service never comes here: to set or take the label moves its traffic to another proxy.
func (d *serviceDefaulter) giveToProxy(svc *corev1.Service) {
	_, given := svc.Labels[v1alpha1.ServiceProxyNameLabel]
	if name := rules.ProxyName(d.ledger.Chart(), svc); name != "" && !given {
		metav1.SetMetaDataLabel(&svc.ObjectMeta, v1alpha1.ServiceProxyNameLabel, name)
	}
}

// enforced are the breaches that refuse a Service. What is only warned about the validating webhook reports, if it comes
// as far as that.
func enforced(answer rules.Answer) []rules.Breach {
	return slices.DeleteFunc(slices.Clone(answer.Breaches), func(b rules.Breach) bool { return !b.Enforced })
}

// numbered are the requests that have a number.
func numbered(requests []serviceports.Request) []serviceports.Request {
	return slices.DeleteFunc(slices.Clone(requests), func(r serviceports.Request) bool { return r.NodePort == 0 })
}

// oldService is the live Service on update, else nil.
func (d *serviceDefaulter) oldService(ctx context.Context) (*corev1.Service, error) {
	raw := requestFrom(ctx).OldObject
	if len(raw.Raw) == 0 {
		return nil, nil
	}
	old := &corev1.Service{}
	return old, d.decoder.DecodeRaw(raw, old)
}

// choose gives numbers to the requests that have none. They are claimed, but on dry-run, and where the Service
// exists: there a number is only needed for the API server to get as far as its AlreadyExists, and it must not be
// one that the live Service has.
func (d *serviceDefaulter) choose(ctx context.Context, q rules.Question, answer rules.Answer, exists bool) ([]serviceports.Request, error) {
	open := withOrigin(v1alpha1.OriginAutomatic, slices.DeleteFunc(slices.Clone(answer.New), func(r serviceports.Request) bool {
		return r.NodePort != 0
	}))
	if len(open) == 0 || len(open) > maxClaims || len(answer.Pools) == 0 || !wellFormed(q.Service) {
		return nil, nil
	}
	if exists || isDryRun(ctx) {
		preview, err := d.ledger.Preview(claimant(q), open, answer.Pools, !exists)
		if exists && err != nil {
			return nil, nil // one of Kubernetes' own will do
		}
		return preview, err
	}
	claim, err := d.ledger.Claim(ctx, claimant(q), open, answer.Pools)
	countClaim(claim, err)
	if err != nil {
		return nil, err
	}
	claim.Commit()
	return claim.Requests, nil
}

// wellFormed leaves out what the API server is going to refuse for its ports: nothing is claimed for it.
func wellFormed(svc *corev1.Service) bool {
	return !slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
		switch cmp.Or(p.Protocol, corev1.ProtocolTCP) {
		case corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
			return len(validation.IsValidPortNum(int(p.Port))) > 0
		}
		return true
	})
}

// fillName completes generateName as the API server would after us: a claim needs to know whose it is.
func fillName(svc *corev1.Service) {
	const random = 5
	if svc.Name != "" || svc.GenerateName == "" {
		return
	}
	base := svc.GenerateName
	svc.Name = base[:min(len(base), validation.DNS1123LabelMaxLength-random)] + utilrand.String(random)
}

// fillPorts fills in a port that is left out but has a numeric targetPort, and the names of entries where there
// are several, which then need one: "tcp-80".
func fillPorts(svc *corev1.Service) {
	ports := svc.Spec.Ports
	for i := range ports {
		if target := ports[i].TargetPort; ports[i].Port == 0 && target.Type == intstr.Int {
			ports[i].Port = target.IntVal
		}
	}
	if len(ports) < 2 {
		return
	}
	for i := range ports {
		name := fmt.Sprintf("%s-%d", strings.ToLower(string(cmp.Or(ports[i].Protocol, corev1.ProtocolTCP))), ports[i].Port)
		taken := slices.ContainsFunc(ports, func(p corev1.ServicePort) bool { return p.Name == name })
		if ports[i].Name == "" && ports[i].Port != 0 && !taken {
			ports[i].Name = name
		}
	}
}
