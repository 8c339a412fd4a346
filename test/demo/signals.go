package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
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
		select {
		case <-signals:
		case <-unread:
		case <-orphaned():
		}
		fmt.Println("\nStopping; Ctrl-C again ends it at once.")
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	return ctx
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
