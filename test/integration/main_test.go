// Package integration tests Portolan against a real API server: admission, controllers, and what kubectl shows.
package integration

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
)

// shared is the control plane that the tests of this package use, with Portolan installed and one manager running.
// Each test has namespaces and pools of its own.
var shared struct {
	*install.Installation
	manager *install.Replica
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	ctrl.SetLogger(logr.Discard())
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return 1, err
	}
	defer c.Stop()
	if shared.Installation, err = install.Apply(ctx, c); err != nil {
		return 1, err
	}
	if shared.manager, err = shared.Start(ctx, nil); err != nil {
		return 1, err
	}
	code := m.Run()
	return code, shared.manager.Stop()
}
