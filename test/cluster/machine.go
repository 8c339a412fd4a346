package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Machine is a network namespace on the cluster's bridge: a node, or the client that is none.
type Machine struct {
	Name string
	IP   net.IP

	*namespace
	cluster *Cluster
	forks   *thread // in the namespace; its children are the machine's processes

	mu     sync.Mutex // guards serial
	serial int        // of the last process started
}

// newMachine plugs a machine into the bridge. Stop removes it.
func (c *Cluster) newMachine(name string, host int) (*Machine, error) {
	ns, err := c.network.plugIn(name, host)
	if err != nil {
		return nil, err
	}
	m := &Machine{Name: name, IP: c.network.ip(host), namespace: ns, cluster: c}
	if m.forks, err = newThread(ns.enter); err != nil {
		return nil, errors.Join(err, ns.remove())
	}
	return m, nil
}

// close ends the machine's processes and gives up its namespace.
func (m *Machine) close() error {
	m.forks.close()
	return m.namespace.remove()
}

// Namespace is the name of the machine's network namespace, for `ip netns exec`.
func (m *Machine) Namespace() string { return m.namespace.name }

// Do runs f on a thread of its own inside the machine's network namespace. Sockets that f opens belong to the machine
// for good; goroutines that f starts do not run in the namespace.
func (m *Machine) Do(f func() error) error { return m.namespace.do(f) }

// DialContext is net.Dialer's from inside the machine, for an http.Transport or by itself. The address must be numeric:
// the machine has no resolver. A dial that is under way ends with Stop.
func (m *Machine) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil {
		return nil, fmt.Errorf("dialing %s from %s: not a numeric address", address, m.Name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.cluster.running, cancel)()
	var conn net.Conn
	err = m.Do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Start starts cmd as a process of the machine: in its network namespace, and ended by Stop of the cluster at the
// latest. If cmd has no output set, it goes to a file in LogDir. The returned Process waits for it; cmd.Wait must not be
// called.
func (m *Machine) Start(cmd *exec.Cmd) (*Process, error) { return m.startOn(m.forks, cmd) }

func (m *Machine) startOn(forks *thread, cmd *exec.Cmd) (*Process, error) {
	if cmd.Stdout == nil && cmd.Stderr == nil {
		out, err := os.Create(m.nextLog(cmd))
		if err != nil {
			return nil, err
		}
		defer out.Close()
		cmd.Stdout, cmd.Stderr = out, out
	}
	exited, err := startChild(forks, m.cluster.state, cmd.Path, cmd)
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, exited: exited}
	m.cluster.own(p)
	return p, nil
}

func (m *Machine) nextLog(cmd *exec.Cmd) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serial++
	return filepath.Join(m.cluster.LogDir(), fmt.Sprintf("%s-%s-%d.log", m.Name, filepath.Base(cmd.Path), m.serial))
}

// Route sends what the machine sends to a destination (CIDR) by way of a node, as a router or a load balancer in front
// of the cluster would: for external addresses, or to reach Pods and cluster addresses from the client.
func (m *Machine) Route(destination string, via *Node) error {
	return m.route(destination, via.IP, uplink)
}

// Process is a child of a machine.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// Pid is the process's id, on the host too: machines have their own network only.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended; then State says how.
func (p *Process) Done() <-chan struct{} { return p.exited }

// State is how the process ended. Only to be called after Done is closed.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Stop asks the process to end, kills it after the grace (at once if that is 0), and returns when it is gone.
func (p *Process) Stop(grace time.Duration) { stopChild(p.cmd, p.exited, grace) }

func (p *Process) stop(grace time.Duration) { p.Stop(grace) }
