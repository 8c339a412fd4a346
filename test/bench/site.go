package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/procfs"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
)

const (
	namespace = "bench"
	pool      = "bench"
)

// site is one API server, with Portolan or without. The namespace bench has a pool of the whole range, or of its own part of
// it, which keeps nothing for its last owner: numbers are free again as soon as their Services are gone.
type site struct {
	*install.Installation
	options options
	numbers v1alpha1.PortRange
	// services is what the load is made with, the admin's; admin is the same for other objects.
	services kubernetes.Interface
	admin    client.Client
	// claims writes as the manager does.
	claims   client.Client
	webhooks []client.Object // as they were when the manager was ready, with its certificate
	servers  servers
	manager  *managerProcess // nil: stopped
}

// startSite starts a control plane with Portolan. The caller stops it.
func startSite(ctx context.Context, o options) (_ *site, err error) {
	s := &site{options: o}
	if s.numbers, err = rules.ParseRange(o.numbers); err != nil {
		return nil, err
	}
	c, err := cluster.Start(ctx, cluster.Options{ServiceNodePortRange: o.numbers, Log: o.log})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	if s.Installation, err = install.Apply(ctx, c); err != nil {
		return nil, err
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	if s.servers, err = findServers(); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *site) connect() error {
	admin := s.Cluster.Config()
	var err error
	if s.admin, err = client.New(admin, client.Options{Scheme: scheme.New()}); err != nil {
		return err
	}
	admin.ContentType = runtime.ContentTypeProtobuf
	if s.services, err = kubernetes.NewForConfig(admin); err != nil {
		return err
	}
	own, err := s.Config()
	if err != nil {
		return err
	}
	own.QPS = -1
	s.claims, err = client.New(own, client.Options{Scheme: scheme.New()})
	return err
}

// prepare leaves Portolan on, and knows what to bring back when it was off.
func (s *site) prepare(ctx context.Context) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	p := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: pool}}
	p.Spec.Ranges = []v1alpha1.PortRange{cmp.Or(s.options.own, s.numbers)}
	p.Spec.HoldSeconds = new(int32(0))
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{corev1.LabelMetadataName: namespace}
	for _, o := range []client.Object{ns, p} {
		if err := s.admin.Create(ctx, o); err != nil {
			return err
		}
	}
	if err := s.startManager(ctx); err != nil {
		return err
	}
	for _, o := range []client.Object{&admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}} {
		name := "portolan-mutating-webhook-configuration"
		if _, ok := o.(*admissionv1.ValidatingWebhookConfiguration); ok {
			name = "portolan-validating-webhook-configuration"
		}
		if err := s.admin.Get(ctx, client.ObjectKey{Name: name}, o); err != nil {
			return err
		}
		s.webhooks = append(s.webhooks, o)
	}
	return s.awaitPortolan(ctx, true)
}

// startManager starts it, with arguments more if any.
func (s *site) startManager(ctx context.Context, args ...string) error {
	m, err := startManager(ctx, s.options.manager, s.Installation, filepath.Join(s.Cluster.LogDir(), "manager.log"), s.options.profileDir != "", args...)
	if err != nil {
		return err
	}
	s.manager = m
	s.servers["manager"], err = procfs.NewProc(m.cmd.Process.Pid)
	return err
}

// with turns Portolan on: the manager is up, and the API server asks it.
func (s *site) with(ctx context.Context) error {
	if s.manager != nil {
		return nil
	}
	for _, o := range s.webhooks {
		o = o.DeepCopyObject().(client.Object)
		o.SetResourceVersion("")
		o.SetUID("")
		if err := s.admin.Create(ctx, o); err != nil {
			return err
		}
	}
	if err := s.startManager(ctx); err != nil {
		return err
	}
	return s.awaitPortolan(ctx, true)
}

// without turns Portolan off: no webhook is registered, the manager is stopped, and there is no policy.
func (s *site) without(ctx context.Context) error {
	if s.manager == nil {
		return nil
	}
	for _, o := range s.webhooks {
		if err := s.admin.Delete(ctx, o.DeepCopyObject().(client.Object)); err != nil {
			return err
		}
	}
	s.stopManager()
	for _, o := range []client.Object{&admissionv1.ValidatingAdmissionPolicyBinding{}, &admissionv1.ValidatingAdmissionPolicy{}} {
		o.SetName(admissionpolicy.Name)
		if err := client.IgnoreNotFound(s.admin.Delete(ctx, o)); err != nil {
			return err
		}
	}
	return s.awaitPortolan(ctx, false)
}

func (s *site) stopManager() {
	s.manager.stop()
	s.manager = nil
	delete(s.servers, "manager")
}

func (s *site) stop() {
	if s.manager != nil {
		s.manager.stop()
	}
	s.Cluster.Stop()
}

// awaitPortolan waits until the API server asks Portolan, or does not any more. A node port on an ExternalName Service
// tells: Kubernetes takes it, Portolan does not.
func (s *site) awaitPortolan(ctx context.Context, present bool) error {
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeExternalName, ExternalName: "example.com",
		Ports: []corev1.ServicePort{{Port: 80, NodePort: s.numbers.From}},
	}}
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := s.services.CoreV1().Services(namespace).Create(ctx, svc, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil && !apierrors.IsInvalid(err) {
			return false, err
		}
		return (err != nil) == present, nil
	})
	if err != nil {
		return fmt.Errorf("wait for Portolan to be there (%t): %w", present, err)
	}
	return nil
}

// awaitNumbers waits until the ledger has this many numbers bound and no other in use, and says so of each: what the
// controllers put off is done then. Without Portolan it does nothing.
func (s *site) awaitNumbers(ctx context.Context, bound int) (time.Duration, error) {
	if s.manager == nil {
		return 0, nil
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	last := v1alpha1.PoolPorts{}
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		p := &v1alpha1.NodePortPool{}
		if err := s.admin.Get(ctx, client.ObjectKey{Name: pool}, p); err != nil || p.Status.Ports == nil {
			return false, err
		}
		last = *p.Status.Ports
		return int(last.Bound) == bound && last.Pending == 0 && last.Held == 0, nil
	})
	if err != nil {
		return 0, errors.Join(fmt.Errorf("wait for %d numbers to be bound and no other in use, the pool has %+v", bound, last), err)
	}
	err = s.awaitNoted(ctx, bound)
	return time.Since(start), err
}

// awaitNoted waits until there are this many allocations, each with a condition that says that it is bound.
func (s *site) awaitNoted(ctx context.Context, bound int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	// Seldom: a list of all of them is work for the API server, which is counted.
	noted := 0
	err := wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		all := &v1alpha1.NodePortAllocationList{}
		if err := s.admin.List(ctx, all); err != nil {
			return false, err
		}
		noted = 0
		for i := range all.Items {
			if meta.IsStatusConditionTrue(all.Items[i].Status.Conditions, v1alpha1.AllocationBound) {
				noted++
			}
		}
		return noted == bound && len(all.Items) == bound, nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("wait for %d allocations to be noted as bound, %d are", bound, noted), err)
	}
	return nil
}
