// Package soak breaks what three managers stand on, and the managers themselves, while clients meet on few numbers, and
// judges by what etcd has at each revision and by what the clients were told: docs/design/proof.md.
package soak

import (
	"flag"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/portolan-dev/portolan/test/testmain"
)

var (
	minutes = flag.Int("minutes", 0, "how long things are broken; 0: 45 seconds")
	seed    = flag.Uint64("seed", 1, "of the faults, and of what the clients do")
	program = flag.String("manager", "", "the manager's program; empty: bin/manager of the checkout")
	mutant  = flag.String("mutant", "", "a manager that is built with the tag mutant, for the test of mutants")
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
	testmain.Exit(m.Run(), nil)
}
