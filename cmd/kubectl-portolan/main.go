// The kubectl plugin shows and tends a cluster's node ports: kubectl portolan.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/portolan-dev/portolan/internal/cli/root"
	"github.com/portolan-dev/portolan/internal/version"
)

// release is set where an archive is built: there Go looks at no repository (go build -ldflags='-X main.release=v1.2.3').
var release string

func main() {
	// What libraries log is said once more by the errors that they return.
	klog.SetLogger(logr.Discard())
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := root.Run(ctx, version.Of(release), genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}
