package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/portolan-dev/portolan/test/install"
)

// managerProcess is the manager as it runs in production: a process of its own, with its ServiceAccount's rights.
type managerProcess struct {
	cmd    *exec.Cmd
	exited chan struct{}
	// profiles is where it serves profiles; empty: nowhere.
	profiles string
	log      string
}

// startManager starts the manager and returns when it is ready. It dies with this process, whatever ends that.
func startManager(ctx context.Context, binary string, i *install.Installation, log string, profiled bool, more ...string) (*managerProcess, error) {
	probes, err := freeAddress()
	if err != nil {
		return nil, err
	}
	args := []string{
		"--namespace=" + install.Namespace, "--leader-elect",
		"--webhook-bind-host=127.0.0.1", "--webhook-port=" + strconv.Itoa(i.WebhookPort),
		"--extra-dns-names=localhost", "--metrics-bind-address=0", "--health-probe-bind-address=" + probes, "--shutdown-delay=0s",
	}
	m := &managerProcess{exited: make(chan struct{}), log: log}
	if profiled {
		if m.profiles, err = freeAddress(); err != nil {
			return nil, err
		}
		args = append(args, "--pprof-bind-address="+m.profiles)
	}
	m.cmd = exec.Command(binary, append(args, more...)...)
	m.cmd.Env = append(os.Environ(), "KUBECONFIG="+i.Kubeconfig)
	if err := m.start(); err != nil {
		return nil, fmt.Errorf("start manager: %w", err)
	}
	if err := m.await(ctx, "http://"+probes+"/readyz"); err != nil {
		m.stop()
		return nil, err
	}
	return m, nil
}

// start forks on a thread that lives as long as the child: the kernel sends the parent-death signal when the forking
// thread ends, not the process.
func (m *managerProcess) start() error {
	out, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	m.cmd.Stdout, m.cmd.Stderr = out, out
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(m.exited)
		err := m.cmd.Start()
		started <- err
		if err == nil {
			_ = m.cmd.Wait() // how it ended is in cmd.ProcessState
		}
	}()
	return <-started
}

func (m *managerProcess) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := get(ctx, url)
		if err == nil {
			return nil
		}
		select {
		case <-m.exited:
			return fmt.Errorf("the manager has ended: %s; its log is %s", m.cmd.ProcessState, tail(m.log))
		case <-ctx.Done():
			return fmt.Errorf("the manager is not ready: %w; the end of its log:\n%s", err, tail(m.log))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop asks the manager to end and returns when it has.
func (m *managerProcess) stop() {
	_ = m.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-m.exited:
	case <-time.After(10 * time.Second):
		_ = m.cmd.Process.Kill()
		<-m.exited
	}
}

// get is the body of an answer that says OK.
func get(ctx context.Context, url string) ([]byte, error) { return getBy(ctx, http.DefaultClient, url) }

func getBy(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// tail is the end of a file, or why there is none.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
