package soak

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
)

const (
	// leaseDuration is how long the others wait for a leader that is silent; renewDeadline is after how long it gives up.
	leaseDuration = 4 * time.Second
	renewDeadline = 3 * time.Second
	// probePeriod is how often it is looked at whether a manager is ready: Services learn of their endpoints as late.
	probePeriod = 150 * time.Millisecond
)

// manager is one of the replicas: a process that is started again when it has ended.
type manager struct {
	name      string
	gate      *gate // its way to the API server
	webhooks  *link // the front's way to it
	transport http.RoundTripper
	process   *install.Process
	ready     atomic.Bool

	mu      sync.Mutex // guards all below
	running *cluster.Process
	held    int           // it is not started while this is not 0
	freed   chan struct{} // closed, and made anew, when held is 0 again
}

// newManager prepares a replica of a program, which runs from keep on.
func (s *site) newManager(number int, program string) (*manager, error) {
	m := &manager{name: fmt.Sprint("manager-", number), freed: make(chan struct{})}
	var err error
	if m.gate, err = newGate(s.record, s.Config(), s.seed, uint64(100+number)); err != nil {
		return nil, err
	}
	installation := *s.installation
	if installation.Kubeconfig, err = s.kubeconfigBy(m.gate.server, m.name); err != nil {
		return nil, err
	}
	port, err := cluster.FreePort()
	if err != nil {
		return nil, err
	}
	if m.webhooks, err = newLink(fmt.Sprint("127.0.0.1:", port)); err != nil {
		return nil, err
	}
	m.transport = &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	m.process, err = installation.PrepareProcess(program,
		fmt.Sprint("--webhook-port=", port), "--metrics-bind-address=0", "--shutdown-delay=300ms",
		fmt.Sprint("--leader-elect-lease-duration=", leaseDuration), fmt.Sprint("--leader-elect-renew-deadline=", renewDeadline),
		"--leader-elect-retry-period=500ms")
	return m, err
}

// kubeconfigBy is the managers' kubeconfig by another way.
func (s *site) kubeconfigBy(way *httptest.Server, name string) (path string, err error) {
	config, err := clientcmd.LoadFromFile(s.installation.Kubeconfig)
	if err != nil {
		return "", err
	}
	for _, c := range config.Clusters {
		c.Server = way.URL
		c.CertificateAuthorityData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: way.Certificate().Raw})
	}
	path = s.installation.Kubeconfig + "-" + name
	return path, clientcmd.WriteToFile(*config, path)
}

// keep runs the manager, again and again, until ctx is done.
func (m *manager) keep(ctx context.Context, s *site) {
	for m.mayRun(ctx) {
		m.gate.baseline.Store(s.cachedRevision(ctx))
		running := m.launch()
		if running == nil {
			continue // it has been killed meanwhile
		}
		select {
		case <-running.Done():
		case <-ctx.Done():
			running.Stop(0)
		}
	}
}

// launch starts the manager, unless it is to stay away.
func (m *manager) launch() *cluster.Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held > 0 {
		return nil
	}
	if err := m.process.Launch(); err != nil {
		panic(err) // no process can be started on this machine
	}
	m.running = m.process.Process
	return m.running
}

// mayRun waits until the manager may be started. It is false at the end.
func (m *manager) mayRun(ctx context.Context) bool {
	for {
		m.mu.Lock()
		held, freed := m.held > 0, m.freed
		m.mu.Unlock()
		if !held {
			return pause(ctx, 50*time.Millisecond) // of one that ends again and again
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}

// kill ends the manager without notice. It stays away until revive.
func (m *manager) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held++
	if m.running != nil {
		m.running.Stop(0)
	}
	m.ready.Store(false) // connections are refused
}

func (m *manager) revive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held--; m.held == 0 {
		close(m.freed)
		m.freed = make(chan struct{})
	}
}

// signal stops the manager, or has it go on.
func (m *manager) signal(s syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running != nil {
		_ = syscall.Kill(m.running.Pid(), s)
	}
}

// probe keeps ready what it is, until ctx is done.
func (m *manager) probe(ctx context.Context) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	url := fmt.Sprintf("http://127.0.0.1:%d/readyz", m.process.ProbePort)
	for pause(ctx, probePeriod) {
		answer, err := client.Get(url)
		if err == nil {
			_ = answer.Body.Close()
		}
		m.ready.Store(err == nil && answer.StatusCode == http.StatusOK)
	}
}
