package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/rules"
)

// source is how a kind is read.
type source struct {
	namespaced bool
	object     func() client.Object
	list       func() client.ObjectList
	put        func(*picture.Objects, client.ObjectList)
}

// sourceOf makes one of the kind, its list and where its items go.
func sourceOf[L any, P interface {
	*L
	client.ObjectList
}](namespaced bool, object client.Object, put func(*picture.Objects, P)) source {
	return source{
		namespaced: namespaced,
		object:     func() client.Object { return object.DeepCopyObject().(client.Object) },
		list:       func() client.ObjectList { return P(new(L)) },
		put:        func(o *picture.Objects, l client.ObjectList) { put(o, l.(P)) },
	}
}

var sources = map[picture.Kind]source{
	picture.Pools:          sourceOf(false, &v1alpha1.NodePortPool{}, func(o *picture.Objects, l *v1alpha1.NodePortPoolList) { o.Pools = l.Items }),
	picture.Allocations:    sourceOf(false, &v1alpha1.NodePortAllocation{}, func(o *picture.Objects, l *v1alpha1.NodePortAllocationList) { o.Allocations = l.Items }),
	picture.Reservations:   sourceOf(true, &v1alpha1.NodePortReservation{}, func(o *picture.Objects, l *v1alpha1.NodePortReservationList) { o.Reservations = l.Items }),
	picture.Accesses:       sourceOf(true, &v1alpha1.NodePortAccess{}, func(o *picture.Objects, l *v1alpha1.NodePortAccessList) { o.Accesses = l.Items }),
	picture.Usages:         sourceOf(true, &v1alpha1.NodePortUsage{}, func(o *picture.Objects, l *v1alpha1.NodePortUsageList) { o.Usages = l.Items }),
	picture.NodeStates:     sourceOf(false, &v1alpha1.NodePortNodeState{}, func(o *picture.Objects, l *v1alpha1.NodePortNodeStateList) { o.NodeStates = l.Items }),
	picture.Services:       sourceOf(true, &corev1.Service{}, func(o *picture.Objects, l *corev1.ServiceList) { o.Services = l.Items }),
	picture.Namespaces:     sourceOf(false, &corev1.Namespace{}, func(o *picture.Objects, l *corev1.NamespaceList) { o.Namespaces = l.Items }),
	picture.Nodes:          sourceOf(false, &corev1.Node{}, func(o *picture.Objects, l *corev1.NodeList) { o.Nodes = l.Items }),
	picture.EndpointSlices: sourceOf(true, &discoveryv1.EndpointSlice{}, func(o *picture.Objects, l *discoveryv1.EndpointSliceList) { o.EndpointSlices = l.Items }),
}

// Load reads these kinds of the cluster, with the caller's rights. What he may not list of all namespaces is read of his
// own (see Namespace); what he may not read at all is left out. Both are in the picture's Gaps.
func (s *Session) Load(ctx context.Context, kinds ...picture.Kind) (*picture.Picture, error) {
	c, err := s.Client()
	if err != nil {
		return nil, Explained(err)
	}
	clusterRange, err := s.ClusterRange()
	if err != nil {
		return nil, err
	}
	namespace, _, err := s.Namespace()
	if err != nil {
		return nil, err
	}
	defer term.Progress(s.ErrOut, "Reading the cluster")()
	objects, err := load(ctx, c, namespace, kinds)
	if err != nil {
		return nil, Explained(err)
	}
	objects.ClusterRange = clusterRange
	return picture.New(objects, s.Now()), nil
}

// WithEndpoints is a picture with the EndpointSlices of the Services that carry some numbers: those of all Services are more
// than anybody wants to wait for.
func (s *Session) WithEndpoints(ctx context.Context, p *picture.Picture, numbers ...int32) (*picture.Picture, error) {
	c, err := s.Client()
	if err != nil {
		return nil, Explained(err)
	}
	defer term.Progress(s.ErrOut, "Reading endpoints")()
	objects := p.Objects
	objects.EndpointSlices, objects.Gaps = nil, slices.Clone(p.Gaps)
	for _, n := range numbers {
		for _, svc := range p.Number(n).Carriers {
			var list discoveryv1.EndpointSliceList
			err := c.List(ctx, &list, client.InNamespace(svc.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: svc.Name})
			if apierrors.IsForbidden(err) {
				objects.Gaps = append(objects.Gaps, picture.Gap{Kind: picture.EndpointSlices})
				continue
			}
			if err != nil {
				return nil, Explained(wrapped(err, picture.EndpointSlices))
			}
			objects.EndpointSlices = append(objects.EndpointSlices, list.Items...)
		}
	}
	return picture.New(objects, p.Now), nil
}

// ClusterRange is the API server's node port range as the flag says it; the zero value: there is no flag.
func (s *Session) ClusterRange() (v1alpha1.PortRange, error) {
	if s.nodePortRange == "" {
		return v1alpha1.PortRange{}, nil
	}
	r, err := rules.ParseRange(s.nodePortRange)
	if err != nil {
		return r, fmt.Errorf("--service-node-port-range: %w", err)
	}
	return r, nil
}

// load reads the kinds side by side.
func load(ctx context.Context, c client.Reader, namespace string, kinds []picture.Kind) (picture.Objects, error) {
	var objects picture.Objects
	var mu sync.Mutex // guards objects
	errs := make([]error, len(kinds))
	var reading sync.WaitGroup
	for i, kind := range kinds {
		reading.Go(func() {
			from := sources[kind]
			list, gap, err := read(ctx, c, namespace, kind)
			if errs[i] = err; err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			from.put(&objects, list)
			if gap != nil {
				objects.Gaps = append(objects.Gaps, *gap)
			}
		})
	}
	reading.Wait()
	slices.SortFunc(objects.Gaps, func(a, b picture.Gap) int { return slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind) })
	return objects, cmp.Or(errs...) // what one says the others say too, as where nobody answers
}

// read lists a kind as far as the caller may.
func read(ctx context.Context, c client.Reader, namespace string, kind picture.Kind) (client.ObjectList, *picture.Gap, error) {
	from := sources[kind]
	list := from.list()
	err := c.List(ctx, list)
	if !apierrors.IsForbidden(err) {
		return list, nil, wrapped(err, kind)
	}
	if from.namespaced {
		if err = c.List(ctx, list, client.InNamespace(namespace)); err == nil {
			return list, &picture.Gap{Kind: kind, Namespace: namespace}, nil
		}
	}
	if apierrors.IsForbidden(err) {
		return from.list(), &picture.Gap{Kind: kind}, nil
	}
	return nil, nil, wrapped(err, kind)
}

func wrapped(err error, kind picture.Kind) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("list %s: %w", kind, err)
}
