package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/portolan-dev/portolan/internal/knock"
)

// knockAt connects from this node to the doors that the standard input lists, for kubectl portolan check --from-nodes.
func knockAt(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("node-proxy knock", flag.ExitOnError)
	timeout := fs.Duration("timeout", 2*time.Second, "How `long` each may take.")
	parallel := fs.Int("parallel", 32, "How `many` are tried at a time.")
	fs.Usage = func() {
		fmt.Fprintln(fs.Output(), `Usage: node-proxy knock [flags] < DOORS

Connects to node ports from this node, and says in JSON what came of it. DOORS is a list of objects with address
("192.0.2.1:30080") and protocol (TCP or UDP), http (a path to ask for) and payload (a datagram to send).
kubectl portolan check --from-nodes runs it.

Flags:`)
		fs.PrintDefaults()
	}
	_ = fs.Parse(args) // exits on an error
	if fs.NArg() > 0 {
		return errors.New("knock takes no arguments: the doors are read from the standard input")
	}
	doors, err := knock.ParseDoors(os.Stdin)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(knock.At(ctx, doors, *timeout, *parallel))
}
