package export

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// bound is how long a hook may take: those after it wait.
	bound = time.Minute
	// grace is how long a hook has to end once the export is to, and once it is asked to end.
	grace = 10 * time.Second
	// longest is between two tries of a hook that fails, which come every again at first.
	longest = time.Minute
)

// hook runs the command, if there is one, and returns when it has ended. It is asked to end, with all that it has started,
// when ctx does or it has taken too long. A signal of the terminal is for the export, which lets the hook end.
func (e *exporter) hook(ctx context.Context) error {
	if e.Exec == "" {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, e.bound)
	defer cancel()
	cmd := exec.CommandContext(limit, "/bin/sh", "-c", e.Exec) //nolint:gosec // the command that the caller gave, run as the caller
	cmd.Stdout, cmd.Stderr = e.say, e.say
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = e.grace
	cmd.Env = append(os.Environ(), "PORTOLAN_FILE="+e.Output)
	err := cmd.Run()
	if limit.Err() != nil && cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what did not end when asked to, if there is any
	}
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it has succeeded, and left something behind that goes on
		return nil
	case limit.Err() != nil && ctx.Err() == nil:
		err = fmt.Errorf("not within %s: %w", e.bound, err)
	}
	return &HookError{Command: e.Exec, Err: err}
}

// HookError says that the file is written, and who should have been told of it was not.
type HookError struct {
	Command string
	Err     error
}

// Error is in one line.
func (e *HookError) Error() string {
	return "the file is written, but --exec " + e.Command + ": " + e.Err.Error()
}

// Unwrap is why the command failed.
func (e *HookError) Unwrap() error { return e.Err }

// hooks runs the command after writes, one at a time: those that come while it runs are answered by one more run. What fails
// is tried again, less and less often, until a run succeeds.
type hooks struct {
	exporter *exporter
	wanted   chan struct{} // holds one
	done     chan struct{}
}

func startHooks(ctx context.Context, e *exporter) *hooks {
	h := &hooks{exporter: e, wanted: make(chan struct{}, 1), done: make(chan struct{})}
	go h.run(ctx)
	return h
}

// ask never waits. It is not to be called after end.
func (h *hooks) ask() {
	select {
	case h.wanted <- struct{}{}:
	default:
	}
}

// end returns when what was asked for has been run, well or not.
func (h *hooks) end() {
	close(h.wanted)
	<-h.done
}

func (h *hooks) run(ctx context.Context) {
	defer close(h.done)
	pause := again
	var retry <-chan time.Time
	for {
		select {
		case _, more := <-h.wanted:
			if !more {
				return
			}
		case <-retry:
		}
		err := h.exporter.hook(ctx)
		if err == nil {
			pause, retry = again, nil
			continue
		}
		h.exporter.say.line("%v", err)
		retry = time.After(pause)
		pause = min(2*pause, longest)
	}
}
