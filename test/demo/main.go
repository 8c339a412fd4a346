// The demo runs a Kubernetes cluster with Portolan on this machine, shows the tour, and stays up until Ctrl-C.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

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
	os.Exit(exitCode(run(untilAsked(), options)))
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
