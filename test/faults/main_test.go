// Package faults breaks what a node-proxy stands on, and the node-proxy itself, while clients talk to Services through
// the node: restarts, kills in the middle of a sync, upgrades, edits by hand, an API server that is away, a node that
// changes. It runs bin/node-proxy on a site of test/proxysite.
package faults

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/proxysite"
)

var plane *proxysite.Plane // of all tests; nil without root

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if os.Geteuid() == 0 {
		if plane, err = proxysite.StartPlane(context.Background(), cluster.Options{}); err != nil {
			return 1, err
		}
		defer plane.Stop()
	}
	return m.Run(), nil
}
