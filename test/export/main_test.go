// Package export tests that `kubectl portolan export --watch` keeps a file in step with a real API server. There are no nodes
// behind it, and no manager: Nodes, EndpointSlices and allocations are what the tests say they are.
package export

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/testmain"
)

// shared is the control plane of all tests, which run one after the other: some take the API server away.
var shared struct {
	*cluster.Cluster
	client.Client // as admin
}

func TestMain(m *testing.M) {
	testmain.Exit(run(m))
}

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return 1, err
	}
	defer c.Stop()
	for _, args := range [][]string{
		{"apply", "-k", filepath.Join("..", "..", "config", "crd")},
		{"wait", "--for=condition=Established", "crd", "--all"},
	} {
		if out, err := c.Kubectl(ctx, args...).CombinedOutput(); err != nil {
			return 1, fmt.Errorf("kubectl %v: %w\n%s", args, err, out)
		}
	}
	shared.Cluster = c
	if shared.Client, err = client.New(c.Config(), client.Options{Scheme: scheme.New()}); err != nil {
		return 1, err
	}
	return m.Run(), nil
}
