// Package e2e runs what users run: the demo with its tour, on nodes that packets pass through.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/testmain"
)

// programs holds the demo and, beside it where the demo finds them, manager, node-proxy and the plugin, all as the source has
// them now.
var programs string

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	flag.Parse()
	testmain.SetUnlessGiven("test.parallel", "6") // clusters wait most of the time, for what nodes report
	testmain.Exit(run(m))
}

func run(m *testing.M) (code int, err error) {
	if programs, err = os.MkdirTemp("", "portolan-e2e-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(programs)) }()
	if err := os.Setenv("COLUMNS", "80"); err != nil { // whoever runs this has told the plugin otherwise
		return 1, err
	}
	build := exec.Command("go", "build", "-ldflags=-w", "-o", programs+"/", "./test/demo", "./cmd/manager", "./cmd/node-proxy", "./cmd/"+install.PluginName)
	build.Dir = install.Repository()
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("%v: %w\n%s", build, err, out)
	}
	return m.Run(), nil
}

func program(name string) string { return filepath.Join(programs, name) }

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: nodes and Pods are network namespaces")
	}
}

func needKubeProxy(t *testing.T) {
	t.Helper()
	needRoot(t)
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs the nft command, for kube-proxy: install nftables")
	}
}
