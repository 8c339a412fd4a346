// Package upgrade has the version before this one on a cluster, with objects of every kind, and upgrades it, runs the parts
// of the two side by side, and rolls back: while Services are created, and packets pass through nodes. Which version that is
// says hack/previous/version.
//
// The tests on the shared cluster follow one another, and each begins by bringing the cluster to the versions that it wants.
package upgrade

import (
	"context"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/testmain"
)

// previous and current are the two versions.
var previous, current release

// release is a version with a name for it.
type release struct {
	install.Version
	name string
}

// shared is the cluster of most tests; nil without root.
var shared *site

func TestMain(m *testing.M) {
	testmain.Exit(run(m))
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	before, err := install.Previous(ctx)
	if err != nil {
		return 1, err
	}
	previous, current = release{before, "the version before"}, release{install.Checkout(), "this version"}
	if os.Geteuid() == 0 {
		if shared, err = start(ctx, cluster.Options{Nodes: 2, Proxy: cluster.NoProxy}); err != nil {
			return 1, err
		}
		defer shared.Stop()
	}
	return m.Run(), nil
}
