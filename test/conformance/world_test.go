package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// world is a site as one case sees it: with objects of its own.
type world struct {
	*stage
	namespace string
	number    int // of the case; its own addresses have it

	services  map[string]*corev1.Service // as they are, or were when they went
	nodePorts map[string]int32           // that a port, or the health check of a Service, has, or had last
	written   map[string]client.Object   // NodePortAccess and pools, by kind and name

	mu     sync.Mutex // guards the fields below
	flows  map[string]*flow
	before map[string]string // who answered last, by who asked whom
}

// change is what is done to a world.
type change func(context.Context, *world) error

// put makes objects, or changes them.
func put(objects ...object) change {
	return func(ctx context.Context, w *world) error {
		var errs []error
		for _, o := range objects {
			errs = append(errs, w.putService(ctx, o), w.putSlices(ctx, o))
		}
		return errors.Join(errs...)
	}
}

// inTurn does one change after the other.
func inTurn(changes ...change) change {
	return func(ctx context.Context, w *world) error {
		for _, c := range changes {
			if err := c(ctx, w); err != nil {
				return err
			}
		}
		return nil
	}
}

// pass lets time pass that nobody can hurry: of timeouts in the kernel.
func pass(d time.Duration) change {
	return func(ctx context.Context, _ *world) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// secondOfTimestamps is what tells two objects' creation apart.
const secondOfTimestamps = 1100 * time.Millisecond

// away removes a Service and its slices.
func away(name string) change {
	return func(ctx context.Context, w *world) error {
		return errors.Join(
			w.site.Plane.API.CoreV1().Services(w.namespace).Delete(ctx, name, metav1.DeleteOptions{}),
			w.site.Plane.API.DiscoveryV1().EndpointSlices(w.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, ofService(name)))
	}
}

// restarted ends the proxy as an upgrade does, and starts it again.
func restarted(ctx context.Context, w *world) error {
	w.proxy.Stop()
	return w.startProxy(ctx)
}

// killed ends the proxy without notice, and starts it again.
func killed(ctx context.Context, w *world) error {
	w.proxy.Kill()
	return w.startProxy(ctx)
}

// whileAway makes changes while no proxy runs.
func whileAway(changes ...change) change {
	return func(ctx context.Context, w *world) error {
		w.proxy.Stop()
		if err := inTurn(changes...)(ctx, w); err != nil {
			return err
		}
		return w.startProxy(ctx)
	}
}

// whileUnguarded makes changes while no guard runs, which may be the proxy itself.
func whileUnguarded(changes ...change) change {
	return func(ctx context.Context, w *world) error {
		if w.guard == nil {
			return whileAway(changes...)(ctx, w)
		}
		w.guard.Stop()
		if err := inTurn(changes...)(ctx, w); err != nil {
			return err
		}
		return w.startGuard(ctx)
	}
}

func (w *world) startProxy(ctx context.Context) (err error) {
	w.proxy, err = w.site.Start(ctx, w.command)
	return err
}

// putService writes the Service, with its status. What the API server has given it, it keeps.
func (w *world) putService(ctx context.Context, o object) error {
	services := w.site.Plane.API.CoreV1().Services(w.namespace)
	want := w.realService(o)
	var got *corev1.Service
	var err error
	if old := w.services[want.Name]; old == nil {
		got, err = services.Create(ctx, want, metav1.CreateOptions{})
	} else {
		got, err = services.Update(ctx, keepGiven(old, want), metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("Service %s: %w", want.Name, err)
	}
	if len(want.Status.LoadBalancer.Ingress) > 0 {
		got.Status = want.Status
		if got, err = services.UpdateStatus(ctx, got, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("status of Service %s: %w", want.Name, err)
		}
	}
	w.remember(got)
	return nil
}

func (w *world) remember(svc *corev1.Service) {
	w.services[svc.Name] = svc
	for _, p := range svc.Spec.Ports {
		if p.NodePort != 0 {
			w.nodePorts[portKey(svc.Name, p.Port, string(p.Protocol))] = p.NodePort
		}
	}
	if svc.Spec.HealthCheckNodePort != 0 {
		w.nodePorts[svc.Name] = svc.Spec.HealthCheckNodePort
	}
}

func portKey(service string, port int32, network string) string {
	return fmt.Sprintf("%s:%d/%s", service, port, strings.ToUpper(network))
}

// keepGiven gives a Service what its older self was given.
func keepGiven(old, s *corev1.Service) *corev1.Service {
	s.ResourceVersion = old.ResourceVersion
	s.Spec.ClusterIP, s.Spec.ClusterIPs, s.Spec.IPFamilies = old.Spec.ClusterIP, old.Spec.ClusterIPs, old.Spec.IPFamilies
	if s.Spec.HealthCheckNodePort == 0 {
		s.Spec.HealthCheckNodePort = old.Spec.HealthCheckNodePort
	}
	for i, p := range s.Spec.Ports {
		for _, was := range old.Spec.Ports {
			if was.Name == p.Name && p.NodePort == 0 && s.Spec.Type != corev1.ServiceTypeClusterIP {
				s.Spec.Ports[i].NodePort = was.NodePort
			}
		}
	}
	return s
}

// putSlices writes the Service's slices, and removes those that it has no more.
func (w *world) putSlices(ctx context.Context, o object) error {
	api := w.site.Plane.API.DiscoveryV1().EndpointSlices(w.namespace)
	var names []string
	for _, slice := range w.realSlices(o) {
		names = append(names, slice.Name)
		_, err := api.Update(ctx, slice, metav1.UpdateOptions{})
		if apierrors.IsNotFound(err) {
			_, err = api.Create(ctx, slice, metav1.CreateOptions{})
		}
		if err != nil {
			return fmt.Errorf("EndpointSlice %s: %w", slice.Name, err)
		}
	}
	present, err := api.List(ctx, ofService(o.service.Obj().Name))
	if err != nil {
		return err
	}
	for _, slice := range present.Items {
		if !slices.Contains(names, slice.Name) {
			if err := api.Delete(ctx, slice.Name, metav1.DeleteOptions{}); err != nil {
				return err
			}
		}
	}
	return nil
}

func ofService(name string) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name}
}

// clear removes what the case has made. Errors are of no use to anybody: names are used once.
func (w *world) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, f := range w.flows {
		f.Close()
	}
	for name := range w.services {
		_ = away(name)(ctx, w)
	}
	for _, o := range w.written {
		_ = w.site.Plane.Objects.Delete(ctx, o)
	}
	_ = w.site.Plane.API.CoreV1().Namespaces().Delete(ctx, w.namespace, metav1.DeleteOptions{})
}
