package move

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
)

// nodesEvery is how often nodes and their reports are read: there are many, and they write once in a minute.
const nodesEvery = 5 * time.Second

// sight is what can be seen of how nodes answer, while that is waited for.
type sight struct {
	client  client.Reader
	objects picture.Objects
	nodes   time.Time // when they were last read
}

// look reads what may have changed. What may not be read is in the picture's Gaps.
func (s *sight) look(ctx context.Context, svc *corev1.Service, now time.Time) (*picture.Picture, error) {
	var endpoints discoveryv1.EndpointSliceList
	if err := s.list(ctx, picture.EndpointSlices, &endpoints, client.InNamespace(svc.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: svc.Name}); err != nil {
		return nil, err
	}
	s.objects.EndpointSlices = endpoints.Items
	if now.Sub(s.nodes) >= nodesEvery {
		var states v1alpha1.NodePortNodeStateList
		if err := s.list(ctx, picture.NodeStates, &states); err != nil {
			return nil, err
		}
		var nodes corev1.NodeList
		if err := s.list(ctx, picture.Nodes, &nodes); err != nil {
			return nil, err
		}
		s.objects.NodeStates, s.objects.Nodes, s.nodes = states.Items, nodes.Items, now
	}
	return picture.New(s.objects, now), nil
}

// list lists a kind, unless it is known that the caller may not.
func (s *sight) list(ctx context.Context, kind picture.Kind, list client.ObjectList, options ...client.ListOption) error {
	gap := picture.Gap{Kind: kind}
	if slices.Contains(s.objects.Gaps, gap) {
		return nil
	}
	err := s.client.List(ctx, list, options...)
	if apierrors.IsForbidden(err) {
		s.objects.Gaps = append(s.objects.Gaps, gap)
		return nil
	}
	return err
}
