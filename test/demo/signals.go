package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// untilAsked is done when the demo is asked to end: by a signal, by a reader of its output who leaves, or by the end of
// the `go run` or make that started it, which may not pass SIGTERM on. It says that it stops. The second signal ends the
// process at once: the kernel ends the children with it, and the next start removes what else is left.
func untilAsked() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	unread := make(chan os.Signal, 1)
	signal.Notify(unread, syscall.SIGPIPE)
	go func() {
		orphaned := orphaned()
		for asked := false; !asked; {
			select {
			case <-signals:
				asked = true
			case <-unread: // also of a connection that the cluster forwards, which is nothing
				asked = readerHasLeft()
			case <-orphaned:
				asked = true
			}
		}
		fmt.Println("\nStopping; Ctrl-C again ends it at once.")
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	return ctx
}

// readerHasLeft says whether standard output is a pipe that nobody reads any more (poll(2), POLLERR).
func readerHasLeft() bool {
	out := []unix.PollFd{{Fd: int32(os.Stdout.Fd()), Events: unix.POLLOUT}}
	_, err := unix.Poll(out, 0)
	return err == nil && out[0].Revents&unix.POLLERR != 0
}

// orphaned is closed when the `go run` or make's shell that started this process has ended; if it was neither, never.
func orphaned() <-chan struct{} {
	gone := make(chan struct{})
	parent := os.Getppid()
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", parent))
	if strings.TrimSpace(string(name)) != "go" && os.Getenv("MAKELEVEL") == "" {
		return gone
	}
	go func() {
		for os.Getppid() == parent {
			time.Sleep(time.Second)
		}
		close(gone)
	}()
	return gone
}
