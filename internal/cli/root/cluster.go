package root

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/export"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/cli/world"
)

// judge is the cluster that lint and explain take as given.
type judge struct{ *session.Session }

// decisive are the kinds that admission decides by: who may not read all of them all cannot tell what it decides.
var decisive = []picture.Kind{picture.Pools, picture.Allocations, picture.NodeStates, picture.Services, picture.Namespaces}

// Objects implements premises.Cluster.
func (j judge) Objects(ctx context.Context) (objects world.Objects, gaps string, err error) {
	p, err := j.Load(ctx, append(decisive, picture.Accesses)...)
	if err != nil {
		return world.Objects{}, "", err
	}
	c, err := j.Client()
	return world.Objects{
		ClusterRange: p.ClusterRange,
		Pools:        p.Pools,
		Allocations:  p.Allocations,
		NodeStates:   p.NodeStates,
		Accesses:     p.Accesses,
		Services:     p.Services,
		Namespaces:   p.Namespaces,
		Partial:      !p.Complete(decisive...),
		Pods: func(namespace string, selector map[string]string) []corev1.Pod {
			return pods(ctx, c, namespace, selector)
		},
	}, p.GapsText(append(decisive, picture.Accesses)...), err
}

// pods are those that labels select. Who may not read them gets no warnings about them.
func pods(ctx context.Context, c client.Reader, namespace string, selector map[string]string) []corev1.Pod {
	var list corev1.PodList
	if err := c.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels(selector)); err != nil {
		return nil
	}
	return list.Items
}

// Namespace implements premises.Cluster.
func (j judge) Namespace() (string, error) {
	namespace, _, err := j.Session.Namespace()
	return namespace, err
}

// connection is what export works with.
func connection(s *session.Session) func(ctx context.Context, all bool) (export.Connection, error) {
	return func(ctx context.Context, all bool) (export.Connection, error) {
		config, err := s.Config()
		if err != nil {
			return export.Connection{}, err
		}
		c, err := s.Client()
		if err != nil {
			return export.Connection{}, err
		}
		namespace := ""
		if !all {
			namespace, err = s.ExistingNamespace(ctx)
		}
		return export.Connection{Client: c, Config: config, Namespace: namespace}, err
	}
}
