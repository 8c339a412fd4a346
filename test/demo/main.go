// The demo runs a Kubernetes cluster with Portolan on this machine, shows the tour, and stays up until Ctrl-C.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/portolan-dev/portolan/test/tour"
)

func main() {
	ctrl.SetLogger(logr.Discard())
	options, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(exitCode(run(untilSignal(), options)))
}

// untilSignal is done at the first SIGINT or SIGTERM. The second ends the process: the kernel ends the children with
// it, and the next start removes what else is left. It is done, too, when nobody reads any more what is printed.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	unread := make(chan os.Signal, 1)
	signal.Notify(unread, syscall.SIGPIPE)
	go func() {
		select {
		case <-signals:
		case <-unread:
		}
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	return ctx
}

const (
	exitSurprise    = 1
	exitInterrupted = 130
)

// exitCode reports an error and says how the process ends.
func exitCode(err error) int {
	var surprise *tour.Surprise
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &surprise):
		fmt.Fprintln(os.Stderr, "\nThe tour met a surprise,", surprise)
	default:
		fmt.Fprintln(os.Stderr, "\nThe demo cannot go on:", err)
	}
	return exitSurprise
}
