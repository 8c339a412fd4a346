// Package integration tests Portolan against a real API server: admission, controllers, and what kubectl shows.
//
// Tests on the shared control plane (see share) run side by side, beside one manager that runs all the time; each
// has namespaces and numbers of its own. Tests that need a manager of their own, or none for a while, have a second
// control plane to themselves (see alone).
package integration

import (
	"context"
	"flag"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/testmain"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of the time a test waits.
	testmain.SetUnlessGiven("test.parallel", "8")
	testmain.Exit(run(m))
}

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	defer seconds.stop()
	p, err := startPlane(ctx, cluster.Options{}, defaultRange)
	if err != nil {
		return 1, err
	}
	defer p.Cluster.Stop()
	shared.plane = p
	if shared.replica, err = p.Start(ctx, nil); err != nil {
		return 1, err
	}
	code := m.Run()
	return code, shared.replica.Stop()
}
