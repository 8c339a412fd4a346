// Package conformance says what a node's proxy does with Services, as cases, and holds three proxies against them: ours,
// and kube-proxy in nftables and iptables mode. Where they differ, differences_test.go says why.
//
//	go test -run 'TestBehaviours/.*/.*/a_pod_that_meets_itself' -proxies=all
//
// CONTRIBUTING.md says how to read what that prints.
package conformance

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/proxysite"
	"github.com/portolan-dev/portolan/test/testmain"
)

var (
	proxies = flag.String("proxies", string(proxysite.NodeProxy), "the kinds of proxies to test, with commas between; all: "+fmt.Sprint(proxysite.Kinds))

	plane   *proxysite.Plane // of all tests
	results table
)

func TestMain(m *testing.M) {
	flag.Parse()
	testmain.SetUnlessGiven("test.parallel", "4") // most of the time a case waits
	klog.SetLogger(logr.Discard())
	testmain.Exit(run(m))
}

func run(m *testing.M) (int, error) {
	if os.Geteuid() == 0 {
		var err error
		if plane, err = proxysite.StartPlane(context.Background(), cluster.Options{}); err != nil {
			return 1, err
		}
		defer plane.Stop()
	}
	code := m.Run()
	if *proxies == "all" {
		results.print(os.Stdout, kinds())
	}
	return code, nil
}

// kinds are the kinds of proxies to test.
func kinds() []proxysite.Kind {
	if *proxies == "all" {
		return proxysite.Kinds
	}
	var chosen []proxysite.Kind
	for name := range strings.SplitSeq(*proxies, ",") {
		if !slices.Contains(proxysite.Kinds, proxysite.Kind(name)) {
			panic(fmt.Sprintf("-proxies: %q is none of %v", name, proxysite.Kinds))
		}
		chosen = append(chosen, proxysite.Kind(name))
	}
	return chosen
}
