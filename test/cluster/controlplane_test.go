package cluster_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/test/cluster"
)

const startBudget = 2 * time.Minute

// start starts a cluster in a directory of the test's and stops it with the test, whose log has its progress.
func start(t *testing.T, options cluster.Options) *cluster.Cluster {
	t.Helper()
	if options.Dir == "" {
		options.Dir = t.TempDir()
	}
	if options.Log == nil {
		options.Log = t.Output()
	}
	ctx, cancel := context.WithTimeout(t.Context(), startBudget)
	defer cancel()
	c, err := cluster.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopEmpty(t, c, options.Dir) })
	return c
}

// stopEmpty stops the cluster and wants nothing of it left.
func stopEmpty(t *testing.T, c *cluster.Cluster, dir string) {
	t.Helper()
	began := time.Now()
	c.Stop()
	t.Logf("stopped in %s", time.Since(began).Round(time.Millisecond))
	wantNothingIn(t, dir)
	if c.Client() != nil {
		wantNoNetwork(t, strings.TrimSuffix(c.Client().Namespace(), "client"))
	}
}

func kubectl(t *testing.T, c *cluster.Cluster, args ...string) string {
	t.Helper()
	out, err := c.Kubectl(t.Context(), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestControlPlaneAnswersKubectl(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{})
	var version struct {
		ClientVersion, ServerVersion struct{ GitVersion string }
	}
	if err := json.Unmarshal([]byte(kubectl(t, c, "version", "-o", "json")), &version); err != nil {
		t.Fatal(err)
	}
	if version.ServerVersion.GitVersion != "v1.36.3" || version.ClientVersion != version.ServerVersion {
		t.Errorf("got %+v, want v1.36.3 on both sides", version)
	}
	kubectl(t, c, "create", "namespace", "short-lived")
	kubectl(t, c, "create", "deployment", "web", "--image=web", "--namespace=short-lived")
	kubectl(t, c, "delete", "namespace", "short-lived", "--timeout=90s") // controllers are at work
}

func TestRestartsKeepWhatWasStored(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{ServiceNodePortRange: "30000-30010"})
	kubectl(t, c, "create", "namespace", "kept")
	if err := c.RestartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.RestartEtcd(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.KillAPIServer()
	if err := c.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	kubectl(t, c, "get", "namespace", "kept")
	out, err := c.Kubectl(t.Context(), "create", "service", "nodeport", "far", "--tcp=80", "--node-port=30500").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "30000-30010") {
		t.Errorf("a number outside of the range asked for: error %v, %s", err, out)
	}
}

func TestTwoClustersRunSideBySide(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, err := cluster.Start(t.Context(), cluster.Options{Dir: dir, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Stop()
	two := start(t, cluster.Options{})
	three, err := cluster.Start(t.Context(), cluster.Options{Dir: dir, Log: io.Discard}) // reaps beside a live one
	if err != nil {
		t.Fatal(err)
	}
	defer three.Stop()
	kubectl(t, one, "create", "namespace", "first")
	for _, other := range []*cluster.Cluster{two, three} {
		if names := kubectl(t, other, "get", "namespaces", "-o", "name"); strings.Contains(names, "first") {
			t.Errorf("the second cluster has the namespace of the first: %s", names)
		}
	}
	three.Stop()
	kubectl(t, one, "get", "namespace", "first")
	one.Stop()
	one.Stop()
}

func TestStartSaysWhyAChildFailed(t *testing.T) {
	dir := t.TempDir()
	_, err := cluster.Start(t.Context(), cluster.Options{Dir: dir, APIServerFlags: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver") || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("got %v, want the API server's own words", err)
	}
	wantNothingIn(t, dir)
}

func TestStartNamesTheBuildCommand(t *testing.T) {
	_, err := cluster.Start(t.Context(), cluster.Options{BinDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "make controlplane") {
		t.Errorf("got %v, want it to name `make controlplane`", err)
	}
}
