package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
)

// StartOnHost starts cmd in the host's network namespace, beside the control plane: for a part of the cluster that runs
// as a process instead of a Pod. Its output goes to <name>.log in LogDir. Stop ends it at the latest, and it does not
// outlive this process, however that ends. The returned Process waits for it; cmd.Wait must not be called.
func (c *Cluster) StartOnHost(name string, cmd *exec.Cmd) (*Process, error) {
	return c.startLogged(c.host, name, cmd)
}

// StartIn is StartOnHost for a process in another network namespace: enter moves the thread that it is called on there.
func (c *Cluster) StartIn(enter func() error, name string, cmd *exec.Cmd) (*Process, error) {
	forks, err := newThread(enter)
	if err != nil {
		return nil, err
	}
	p, err := c.startLogged(forks, name, cmd)
	if err != nil {
		forks.close()
		return nil, err
	}
	go func() {
		<-p.Done()
		forks.close()
	}()
	return p, nil
}

func (c *Cluster) startLogged(forks *thread, name string, cmd *exec.Cmd) (*Process, error) {
	out, err := os.OpenFile(filepath.Join(c.LogDir(), name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	exited, err := startChild(forks, c.state, name, cmd)
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, exited: exited}
	c.own(p)
	return p, nil
}

// FreePort returns a port of loopback that nobody listens on now, from below the ranges of node ports and of ephemeral
// ports, so that it is most likely still free a while later.
func FreePort() (int, error) { return freePort() }
