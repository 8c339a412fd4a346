// Package faults breaks what a node-proxy stands on, and the node-proxy itself, while clients talk to Services through
// the node: restarts, kills in the middle of a sync, upgrades, edits by hand, an API server that is away, a node that
// changes. It runs bin/node-proxy on a site of test/proxysite.
package faults

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/proxysite"
	"github.com/portolan-dev/portolan/test/testmain"
)

var (
	minutes = flag.Int("minutes", 0, "how long each of what can go on for long does: crash loops, churn, an API server that is away; 0: seconds")
	seeded  = flag.Uint64("seed", 0, "of what happens at random; 0: another one each time")
)

var plane *proxysite.Plane // of all tests; nil without root

// long is how long something goes on that takes that long by default.
func long(byDefault time.Duration) time.Duration {
	return max(byDefault, time.Duration(*minutes)*time.Minute)
}

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	testmain.Exit(run(m))
}

func run(m *testing.M) (code int, err error) {
	flag.Parse()
	testmain.SetUnlessGiven("test.parallel", "8") // they wait most of the time
	if os.Geteuid() == 0 {
		if plane, err = proxysite.StartPlane(context.Background(), cluster.Options{}); err != nil {
			return 1, err
		}
		defer plane.Stop()
	}
	return m.Run(), nil
}
