package e2e

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/traffic"
)

const newWebPort = "31900"

// docs/howto/move-a-number.md: what answers on the old number does so until it is closed, what answers on the new one from
// the moment that it is announced.
func TestAServiceMovesToAnotherNumberWithoutALostRequest(t *testing.T) {
	t.Parallel() // most of it is waiting for node-proxies to report
	for proxy, claim := range map[string]string{"kube-proxy": "both numbers are open", "node-proxy": "both numbers answer"} {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			needKubeProxy(t)
			c := start(t, cluster.Options{Nodes: 2})
			if _, err := install.Apply(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			kubectl(t, c, webManifest, "apply", "-f", "-")
			kubectl(t, c, "", "rollout", "status", "deployment/web", "--timeout=120s")
			if proxy == "node-proxy" {
				p, err := install.ApplyNodeProxyOverlay(t.Context(), c, replaceKubeProxy, program("node-proxy"), "--report-spread=0s")
				if err != nil {
					t.Fatal(err)
				}
				takeOver(t, c, p)
			}
			before, after := waysTo(t, c, webPort), waysTo(t, c, newWebPort)
			for _, way := range before {
				eventually(t, "the old number answers on every way", way.Send)
			}
			open := traffic.Paced(t, traffic.Connected(t, c.Client(), c.Nodes()[0].IP.String()+":"+webPort))
			stopOpen := traffic.Start(t, []*traffic.Stream{open})
			stopBefore := traffic.Start(t, before)
			movesTo(t, c, "Switched: Service web has "+newWebPort+", and "+claim, "--port", "http", "--to", newWebPort)
			stopAfter := traffic.Start(t, after)
			eventually(t, "both have been asked for a while", atLeast(time.Second))
			stopBefore()
			movesTo(t, c, "Done: ", "--yes")
			eventually(t, "the old number is closed", func(ctx context.Context) error {
				if before[0].Send(ctx) == nil {
					return errors.New("it answers")
				}
				return nil
			})
			eventually(t, "the new one has been asked for a while", atLeast(time.Second))
			stopAfter()
			stopOpen()
			traffic.WantAllAnswered(t, slices.Concat(before, after, []*traffic.Stream{open}))
		})
	}
}

// waysTo is traffic to a node port from outside at each node, and from a node.
func waysTo(t *testing.T, c *cluster.Cluster, port string) []*traffic.Stream {
	t.Helper()
	first, second := c.Nodes()[0], c.Nodes()[1]
	return []*traffic.Stream{
		traffic.Paced(t, traffic.Connecting(c.Client(), first.IP.String()+":"+port)), traffic.Paced(t, traffic.Connecting(c.Client(), second.IP.String()+":"+port)),
		traffic.Paced(t, traffic.Connecting(first.Machine, second.IP.String()+":"+port)),
	}
}

// movesTo takes the steps of a move that follow, and wants them to end with one.
func movesTo(t *testing.T, c *cluster.Cluster, end string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program("kubectl-portolan"), append([]string{"move", "web", "--kubeconfig", c.Kubeconfig()}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), end) {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// atLeast succeeds once a time has passed.
func atLeast(d time.Duration) func(context.Context) error {
	begun := time.Now()
	return func(context.Context) error {
		if time.Since(begun) < d {
			return errors.New("not yet")
		}
		return nil
	}
}
