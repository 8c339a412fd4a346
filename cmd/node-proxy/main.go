// The node-proxy keeps a node's kernel in step with the cluster's Services.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/portolan-dev/portolan/internal/nodeproxy"
	"github.com/portolan-dev/portolan/internal/version"
)

const usage = `node-proxy makes a node answer for the cluster's Services: it keeps one nftables table in step with them.

Usage:
  node-proxy [flags]               serve Services until it is told to end; the rules stay, and so do connections
  node-proxy show [SERVICE|PORT]   say what the node-proxy that runs here does, in all or for a Service or a port
  node-proxy knock                 connect to node ports from this node; kubectl portolan check --from-nodes runs it
  node-proxy cleanup               remove every trace of it; end it before
  node-proxy version               say which version this is

`

// commands are what node-proxy does besides serving.
var commands = map[string]func(ctx context.Context, args []string, out io.Writer) error{
	"show":    show,
	"knock":   knockAt,
	"cleanup": cleanup,
	"version": printVersion,
}

// release is set where an image is built: there Go sees no repository (go build -ldflags='-X main.release=v1.2.3').
var release string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "node-proxy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		if command, ok := commands[args[0]]; ok {
			return command(ctx, args[1:], os.Stdout)
		}
	}
	return serve(ctx, args)
}

// show asks the node-proxy that runs here.
func show(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("node-proxy show", flag.ExitOnError)
	address := fs.String("metrics-bind-address", "",
		fmt.Sprintf("The `address` that the running node-proxy was given by this flag. Without it, %s is tried and then %s, kube-proxy's.", defaultMetricsAddress, kubeProxyMetricsAddress))
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), `Usage: node-proxy show [flags] [SERVICE|PORT]

SERVICE is a name such as shop/web, or web in the namespace default; PORT is a node port such as 31000.
Without either it says what the node-proxy serves in all.

Flags:
`)
		fs.PrintDefaults()
	}
	_ = fs.Parse(args) // exits on an error
	if fs.NArg() > 1 {
		return errors.New("show takes one Service or port: write NAMESPACE/NAME, and flags before it")
	}
	addresses := []string{defaultMetricsAddress, kubeProxyMetricsAddress}
	if *address != "" {
		addresses = []string{*address}
	}
	return nodeproxy.Show(ctx, addresses, fs.Arg(0), out)
}

func printVersion(_ context.Context, _ []string, out io.Writer) error {
	_, err := fmt.Fprintln(out, version.Of(release))
	return err
}

// cleanup removes what a node-proxy leaves behind on purpose when it ends.
func cleanup(_ context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("node-proxy cleanup", flag.ExitOnError)
	fs.Usage = func() {
		fmt.Fprintln(fs.Output(), `Usage: node-proxy cleanup

Removes the table inet portolan from this node's kernel, so that it serves no Service any more. End node-proxy before.
There are no flags. What the node has reported stays: kubectl delete npns NODE.`)
	}
	_ = fs.Parse(args) // exits on an error
	if fs.NArg() > 0 {
		return errors.New("cleanup takes no arguments")
	}
	return nodeproxy.Cleanup(out)
}
