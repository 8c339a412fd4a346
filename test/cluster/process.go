package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a child that can be started again after it ended. Its output is appended to one log file.
type process struct {
	name    string
	log     string
	command func() *exec.Cmd
	thread  *thread
	state   *state

	mu     sync.Mutex // guards the fields below
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended and is reaped
}

// newProcess describes a child of the given command; start runs it.
func (c *Cluster) newProcess(name string, t *thread, command func() *exec.Cmd) *process {
	return &process{name: name, log: filepath.Join(c.LogDir(), name+".log"), command: command, thread: t, state: c.state}
}

func (p *process) start() error {
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = out, out
	exited, err := startChild(p.thread, p.state, p.name, cmd)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd, p.exited = cmd, exited
	return nil
}

// startChild starts cmd on the thread: in a process group of its own, so that a terminal's Ctrl-C leaves it for an
// orderly Stop, and bound to die with this process. The channel is closed when it has ended.
func startChild(t *thread, s *state, name string, cmd *exec.Cmd) (chan struct{}, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := t.do(cmd.Start); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	if err := s.recordProcess(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		<-exited
		return nil, fmt.Errorf("recording %s: %w", name, err)
	}
	return exited, nil
}

// stop asks the child to end and kills it after the grace. It returns when the child is gone.
func (p *process) stop(grace time.Duration) {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	stopChild(cmd, exited, grace)
}

func stopChild(cmd *exec.Cmd, exited <-chan struct{}, grace time.Duration) {
	if grace > 0 {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-exited:
			return
		case <-timer.C:
		}
	}
	_ = cmd.Process.Kill()
	<-exited
}

const readyPoll = 50 * time.Millisecond

// await returns when check succeeds. If the child ends first or ctx is done, the error carries the end of its log.
func (p *process) await(ctx context.Context, check func(context.Context) error) error {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return p.failure(fmt.Errorf("ended: %s", cmd.ProcessState))
		case <-ctx.Done():
			return p.failure(fmt.Errorf("not ready: %w (%w)", err, ctx.Err()))
		case <-tick.C:
		}
	}
}

// childError is a child that did not come up, with the end of its log.
type childError struct {
	name string
	tail string
	err  error
}

func (e *childError) Error() string {
	return fmt.Sprintf("%s %v; the end of its log:\n%s", e.name, e.err, e.tail)
}

func (e *childError) Unwrap() error { return e.err }

func (p *process) failure(err error) error {
	return &childError{name: p.name, tail: tail(p.log, 20), err: err}
}

// portTaken says that the child gave up because another process took its port between our choice and its bind.
func portTaken(err error) bool {
	child, ok := errors.AsType[*childError](err)
	return ok && strings.Contains(child.tail, "address already in use")
}

// tail returns the last lines of a file, or why there are none.
func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
