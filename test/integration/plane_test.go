package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
)

// defaultRange is the API server's where nothing else is asked for.
var defaultRange = v1alpha1.PortRange{From: 30000, To: 32767}

// secondRange is the second control planes': both ends are elsewhere.
var secondRange = v1alpha1.PortRange{From: 31000, To: 34999}

// plane is a control plane with Portolan installed.
type plane struct {
	*install.Installation
	client.Client // as admin
	numbers       allotment
	printed       string  // by kubectl, at the installation
	auditLog      string  // what the manager's ServiceAccount did; empty: not recorded
	leaked        []int32 // what tests have been told of: one leak fails one test
}

// shared is the control plane on which most tests run, with the manager that runs there.
var shared struct {
	*plane
	replica *install.Replica
}

// seconds are the control planes that tests have to themselves. Two: a test waits most of the time.
var seconds = newSeconds(2)

// secondPlanes lends them. Any number of goroutines may use it.
type secondPlanes struct {
	all  []*secondPlane
	free chan *secondPlane
}

// secondPlane starts when first asked for.
type secondPlane struct {
	plane *plane
	dir   string
}

func newSeconds(count int) *secondPlanes {
	s := &secondPlanes{free: make(chan *secondPlane, count)}
	for range count {
		s.all = append(s.all, &secondPlane{})
		s.free <- s.all[len(s.all)-1]
	}
	return s
}

// take is a plane for the sole use of the caller, until give.
func (s *secondPlanes) take() *secondPlane { return <-s.free }

func (s *secondPlanes) give(p *secondPlane) { s.free <- p }

func (s *secondPlanes) stop() {
	for _, p := range s.all {
		p.stop()
	}
}

func startPlane(ctx context.Context, options cluster.Options, numbers v1alpha1.PortRange) (*plane, error) {
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	p := &plane{numbers: newAllotment(numbers)}
	if p.printed, err = applyAsUsersDo(ctx, c); err != nil {
		c.Stop()
		return nil, err
	}
	if p.Installation, err = install.Apply(ctx, c); err != nil {
		c.Stop()
		return nil, err
	}
	config := c.Config()
	config.WarningHandler = rest.NoWarnings{}
	if p.Client, err = client.New(config, client.Options{Scheme: scheme.New()}); err != nil {
		c.Stop()
		return nil, err
	}
	if err := p.waitForWebhooks(ctx, patientTimeout); err != nil {
		c.Stop()
		return nil, err
	}
	return p, nil
}

// patientTimeout, in seconds, is how long the API server waits for the webhooks in tests: where the machine stands still for
// the usual 3 s it would go on without us, and a test that wants our answer would meet Kubernetes' own.
const patientTimeout = 30

// waitForWebhooks has the API server wait for the webhooks so many seconds.
func (p *plane) waitForWebhooks(ctx context.Context, seconds int32) error {
	return p.changeWebhooks(ctx, func(h webhook) { *h.timeout = seconds })
}

// applyAsUsersDo installs Portolan as docs/ says. install.Apply only leads the webhooks elsewhere afterwards.
func applyAsUsersDo(ctx context.Context, c *cluster.Cluster) (printed string, err error) {
	manifests, err := c.Kubectl(ctx, "kustomize", filepath.Join("..", "..", "config", "default")).Output()
	if err != nil {
		return "", fmt.Errorf("kubectl kustomize config/default: %w", err)
	}
	apply := c.Kubectl(ctx, "apply", "-f", "-")
	apply.Stdin = strings.NewReader(string(manifests))
	out, err := apply.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl apply: %w\n%s", err, out)
	}
	return string(out), nil
}

// auditPolicy records what the manager's ServiceAccount does.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, Panic]
rules:
- level: Metadata
  users: ["system:serviceaccount:portolan-system:portolan-controller-manager"]
- level: None
`

func (s *secondPlane) started(ctx context.Context) (*plane, error) {
	if s.plane != nil {
		return s.plane, nil
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "portolan-integration-"); err != nil {
		return nil, err
	}
	policy, log := filepath.Join(s.dir, "policy.yaml"), filepath.Join(s.dir, "audit.log")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, err
	}
	s.plane, err = startPlane(ctx, cluster.Options{
		ServiceNodePortRange: fmt.Sprintf("%d-%d", secondRange.From, secondRange.To),
		APIServerFlags:       []string{"--audit-policy-file=" + policy, "--audit-log-path=" + log},
	}, secondRange)
	if err == nil {
		s.plane.auditLog = log
	}
	return s.plane, err
}

func (s *secondPlane) stop() {
	if s.plane != nil {
		s.plane.Cluster.Stop()
	}
	_ = os.RemoveAll(s.dir) // a directory in the temporary one: nothing depends on it
}
