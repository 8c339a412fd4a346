package install

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/portolan-dev/portolan/test/cluster"
)

// processLog is the file, without its .log, in the cluster's log directory that has the process's output.
const processLog = "portolan-manager"

// Process is a manager that runs as a process of its own. Stop of the cluster ends it, and it does not outlive this
// process.
type Process struct {
	*cluster.Process
	// Log is the file that it writes to.
	Log string
	// ProbePort and MetricsPort are on loopback.
	ProbePort, MetricsPort int

	installation *Installation
	program      string
	args         []string
}

// StartProcess runs the manager's program, as a Pod of the Deployment would, and returns when it is ready. An empty
// program is one named manager beside the running program, else bin/manager of the checkout. args come after the
// Deployment's, and win.
func (i *Installation) StartProcess(ctx context.Context, program string, args ...string) (*Process, error) {
	p, err := i.PrepareProcess(program, args...)
	if err != nil {
		return nil, err
	}
	return p, p.Restart(ctx)
}

// PrepareProcess is StartProcess that runs nothing yet: Launch and Restart do.
func (i *Installation) PrepareProcess(program string, args ...string) (*Process, error) {
	if program == "" {
		program = findProgram("manager")
	}
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("the manager is not built: %w: run `make bin/manager`", err)
	}
	p := &Process{Log: filepath.Join(i.Cluster.LogDir(), processLog+".log"), installation: i, program: program, args: args}
	var errs [2]error
	p.ProbePort, errs[0] = cluster.FreePort()
	p.MetricsPort, errs[1] = cluster.FreePort()
	return p, errors.Join(errs[:]...)
}

// Restart runs the program again after it has ended, and returns when it is ready.
func (p *Process) Restart(ctx context.Context) error {
	if err := p.Launch(); err != nil {
		return err
	}
	return p.awaitReady(ctx)
}

// Launch is Restart that does not wait.
func (p *Process) Launch() (err error) {
	i := p.installation
	cmd := exec.Command(p.program, append(i.processArgs(p), p.args...)...)
	cmd.Dir = filepath.Dir(i.Cluster.LogDir())
	cmd.Env = append(os.Environ(), "KUBECONFIG="+i.Kubeconfig)
	p.Process, err = i.Cluster.StartOnHost(processLog, cmd)
	return err
}

// processArgs are the Deployment's arguments, and after them, so that they win, those that differ on a machine that it
// shares with others: addresses on loopback.
func (i *Installation) processArgs(p *Process) []string {
	return append(append([]string(nil), i.Args...),
		"--webhook-bind-host=127.0.0.1",
		"--webhook-port="+strconv.Itoa(i.WebhookPort),
		"--extra-dns-names=localhost",
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", p.ProbePort),
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", p.MetricsPort),
	)
}

// findProgram is the default of StartProcess and ApplyNodeProxy, and what Plugin returns: the program of that name beside
// the running one, else in bin of the checkout.
func findProgram(name string) string {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return filepath.Join(Repository(), "bin", name)
}

func (p *Process) awaitReady(ctx context.Context) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	url := fmt.Sprintf("http://127.0.0.1:%d/readyz", p.ProbePort)
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 3*time.Minute, true, func(ctx context.Context) (bool, error) {
		select {
		case <-p.Done():
			return false, fmt.Errorf("it has ended: %s", p.State())
		default:
			return answersOK(ctx, client, url), nil
		}
	})
	if err != nil {
		return fmt.Errorf("the manager is not ready: %w; see %s", err, p.Log)
	}
	return nil
}

func answersOK(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
