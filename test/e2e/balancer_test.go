package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
)

// guide is what docs/howto/load-balancer.md tells users to have. The tests have that and nothing else.
type guide struct {
	once      string // the command that writes the file for the first time
	extraOpts string // of haproxy
	export    string // the command of the service that keeps the file in step
	rights    string // a ClusterRole
}

func readGuide(t *testing.T) guide {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(install.Repository(), "docs", "howto", "load-balancer.md"))
	if err != nil {
		t.Fatal(err)
	}
	part := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindSubmatch(page)
		if found == nil {
			t.Fatalf("the page has nothing like %s", pattern)
		}
		return string(found[1])
	}
	return guide{
		once:      part(`(?m)^ *kubectl portolan (export haproxy .*\.cfg)$`),
		extraOpts: part(`(?m)^ *EXTRAOPTS="(.*)"$`),
		export:    part(`(?m)^ *ExecStart=(.* export haproxy .*)$`),
		rights:    part("(?s)```yaml\n(apiVersion: rbac[^`]*)```"),
	}
}

// balancer is HAProxy on a machine beside the nodes, and what keeps its file in step with the cluster.
type balancer struct {
	*testing.T
	machine *cluster.Machine
	guide   guide
	dir     string // in the place of /etc/haproxy and /run
	file    string // the one that is kept in step
	env     []string
}

// ownConfig is the file of HAProxy's own. The page leaves what is in it to users: some section that listens.
const ownConfig = `
global
	maxconn 1000
listen stats
	mode http
	bind 127.0.0.1:8404
	stats enable
	timeout connect 1s
	timeout client 10s
	timeout server 10s
`

const statsURL = "http://127.0.0.1:8404/haproxy?stats;csv"

// What Debian's haproxy.service runs as `systemctl start haproxy`, and as `systemctl reload haproxy` for the command of that
// name to do here. EXTRAOPTS is what the page has there.
const (
	startHAProxy = "haproxy -W -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid EXTRAOPTS"
	systemctl    = `#!/bin/sh
set -e
[ "$*" = "reload haproxy" ]
haproxy -W -f /etc/haproxy/haproxy.cfg -c -q EXTRAOPTS
kill -USR2 $(cat /run/haproxy.pid)
`
)

func needHAProxy(t *testing.T) {
	t.Helper()
	needRoot(t)
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Skip("needs haproxy: install haproxy, see hack/system-packages")
	}
}

// startBalancer goes through the page's steps on the machine beside the nodes.
func startBalancer(t *testing.T, c *cluster.Cluster) *balancer {
	t.Helper()
	b := &balancer{T: t, machine: c.Client(), guide: readGuide(t)}
	b.dir = filepath.Join(programs, "haproxy") // t.TempDir's are too long for the path of a socket
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(b.dir) })
	b.file = filepath.Join(b.dir, "portolan.cfg")
	b.env = append(os.Environ(), "PATH="+b.dir+":"+os.Getenv("PATH"), "KUBECONFIG="+b.kubeconfig(c), "HOME="+b.dir)
	b.write("haproxy.cfg", ownConfig)
	b.write("systemctl", b.here(systemctl))

	once := b.start("/usr/local/bin/kubectl-portolan " + b.guide.once)
	if <-once.Done(); !once.State().Success() {
		t.Fatalf("the first export: %s", once.State())
	}
	b.start(startHAProxy)
	eventually(t, "HAProxy has started", func(ctx context.Context) error { _, err := b.stats(ctx); return err })
	b.start(b.guide.export)
	return b
}

// here are lines of the page with the places that they have in this test.
func (b *balancer) here(lines string) string {
	lines = strings.ReplaceAll(lines, "EXTRAOPTS", b.guide.extraOpts)
	return strings.NewReplacer("/etc/haproxy", b.dir, "/run", b.dir, "/usr/local/bin/kubectl-portolan", program(install.PluginName)).Replace(lines)
}

func (b *balancer) write(name, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o755); err != nil {
		b.Fatal(err)
	}
}

// start runs a line of the page on the machine, until the cluster's end, and shows what it said if the test fails.
func (b *balancer) start(line string) *cluster.Process {
	b.Helper()
	said, err := os.CreateTemp(b.dir, "said-")
	if err != nil {
		b.Fatal(err)
	}
	defer said.Close()
	cmd := exec.Command("sh", "-c", "exec "+b.here(line))
	cmd.Stdout, cmd.Stderr, cmd.Env = said, said, b.env
	p, err := b.machine.Start(cmd)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if text, err := os.ReadFile(said.Name()); b.Failed() {
			b.Logf("%s said (%v):\n%s", line, err, text)
		}
	})
	return p
}

// kubeconfig is for a ServiceAccount with the rights that the page gives.
func (b *balancer) kubeconfig(c *cluster.Cluster) string {
	b.Helper()
	kubectl(b.T, c, b.guide.rights, "apply", "-f", "-")
	kubectl(b.T, c, "", "create", "serviceaccount", "balancer")
	kubectl(b.T, c, "", "create", "clusterrolebinding", "balancer", "--clusterrole=portolan-export", "--serviceaccount=default:balancer")
	path, err := c.Nodes()[0].KubeconfigFor(b.Context(), "default", "balancer")
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// address is that of a number at which the balancer listens.
func (b *balancer) address(number string) string { return b.machine.IP.String() + ":" + number }

// stats is what HAProxy says of itself: a line for each server, with its state.
func (b *balancer) stats(ctx context.Context) (string, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: b.machine.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, statsURL, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// hasFile waits for the file to have a text, or to have it no more, and says how long that took.
func (b *balancer) hasFile(what, text string, has bool) {
	b.Helper()
	b.timed(what+" is in the file", func(context.Context) error {
		file, err := os.ReadFile(b.file)
		if err == nil && strings.Contains(string(file), text) != has {
			err = fmt.Errorf("it has %q: %t\n%s", text, !has, file)
		}
		return err
	})
}

// hasServer waits for HAProxy to have a server in a state, such as UP, or none of that name: "".
func (b *balancer) hasServer(name, state string) {
	b.Helper()
	what := name + " is " + state + " at HAProxy"
	if state == "" {
		what = name + " is none of HAProxy's"
	}
	b.timed(what, func(ctx context.Context) error {
		stats, err := b.stats(ctx)
		if err != nil {
			return err
		}
		server := regexp.MustCompile(`(?m)^default\.web\.http,` + name + `,.*$`).FindString(stats)
		if state == "" && server != "" || !strings.Contains(server, state) {
			return fmt.Errorf("it says\n%s", stats)
		}
		return nil
	})
}

// timed is eventually that says how long it took.
func (b *balancer) timed(what string, check func(context.Context) error) {
	b.Helper()
	began := time.Now()
	eventually(b.T, what, check)
	b.Logf("%s after %s", what, time.Since(began).Round(time.Millisecond))
}
