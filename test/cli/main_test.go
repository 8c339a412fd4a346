// Package cli tests kubectl portolan as people run it: the program that make builds, against a real API server on which a
// manager runs, with the kubeconfig of an operator or of a tenant.
package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/testmain"
)

// site is the cluster on which all tests run, one after the other: each begins with what those before it have left.
var site struct {
	*cluster.Cluster
	client.Client // as admin

	installation *install.Installation
	replica      *install.Replica // the manager that runs now
}

func TestMain(m *testing.M) {
	flag.Parse()
	testmain.Exit(run(m))
}

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	if _, err := os.Stat(program); err != nil {
		return 1, fmt.Errorf("kubectl-portolan is not built: %w: run `make bin/kubectl-portolan`", err)
	}
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return 1, err
	}
	defer c.Stop()
	installation, err := install.Apply(ctx, c)
	if err != nil {
		return 1, err
	}
	config := c.Config()
	config.WarningHandler = rest.NoWarnings{}
	site.Cluster = c
	if site.Client, err = client.New(config, client.Options{Scheme: scheme.New()}); err != nil {
		return 1, err
	}
	site.installation = installation
	if site.replica, err = installation.Start(ctx, unhurried); err != nil {
		return 1, err
	}
	code := m.Run()
	return code, site.replica.Stop()
}

// unhurried has the manager lead on where the machine is busy with other things for a while. It gives the lease back as soon
// as it ends.
func unhurried(o *manager.Options) {
	o.Lease = manager.Lease{Duration: 4 * time.Minute, RenewDeadline: 3 * time.Minute}
}
