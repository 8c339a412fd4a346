package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/export/format"
	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// Options are an export.
type Options struct {
	Format format.Format
	Filter inventory.Filter
	// Text is what the format wants to know; Previous and Now are filled in.
	Text format.Options
	// Output is the file; "" is Out.
	Output string
	// Watch has the file kept in step until the context ends. It takes an Output.
	Watch bool
	// Exec is a command of the shell that is run after each write, one at a time, and as a Watch begins; "": none. It takes an
	// Output. What it prints goes to Err. A Watch tries it again until it succeeds.
	Exec string

	// WithoutPortolan lets the cluster be one that has no NodePortAccess and no pools as the export begins: every port is open
	// to everybody then.
	WithoutPortolan bool

	// Client reads the cluster; Config is for its watches, and may be nil without Watch.
	Client client.Client
	Config *rest.Config
	// Out takes the text where there is no file; Err what there is to say.
	Out, Err io.Writer
	// Clock tells the time for serial numbers; nil: the real one.
	Clock clock.PassiveClock
}

// Run exports, once or until ctx ends. Nothing is written where it returns an error before the first write. Once it watches
// it returns no error of the cluster, which it goes on to wait for.
func (o Options) Run(ctx context.Context) error {
	if err := o.complete(); err != nil {
		return err
	}
	kinds := wanted(o.Format, o.Filter)
	kinds.bare = o.WithoutPortolan
	cluster, err := o.first(ctx, kinds)
	if err != nil {
		return err
	}
	e := newExporter(o)
	for _, missing := range kinds.missing {
		e.say.line("%s", missing)
	}
	if o.Watch {
		return e.watch(ctx, kinds)
	}
	wrote, err := e.write(cluster)
	if err != nil || !wrote {
		return err
	}
	return e.hook(ctx)
}

// first reads the cluster, and refuses pools that nobody knows of.
func (o *Options) first(ctx context.Context, kinds *kinds) (*inventory.Cluster, error) {
	defer term.Progress(o.Err, "Reading the cluster")()
	cluster, err := kinds.read(ctx, o.Client, o.Filter.Namespace)
	if err != nil {
		return nil, err
	}
	return cluster, knownPools(ctx, o.Client, cluster.Allocations, o.Filter.Pools)
}

func (o *Options) complete() error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	switch {
	case o.Watch && o.Output == "":
		return errors.New("--watch rewrites a file: say which with --output FILE")
	case o.Exec != "" && o.Output == "":
		return errors.New("--exec is run when the file has changed: say which file with --output FILE")
	case o.Format.Name == "dns" && o.Text.Zone == "":
		return errors.New("dns needs the name of the zone: --zone ports.example.com")
	}
	return nil
}

// exporter writes the cluster as it is read.
type exporter struct {
	Options
	say *voice
	// told is what the last text leaves out, so that it is said when it changes.
	told string
	// begun: the file has been in step once since a watch began.
	begun bool
	// bound and grace are a hook's, as of the constants.
	bound, grace time.Duration
}

func newExporter(o Options) *exporter {
	return &exporter{Options: o, say: &voice{to: o.Err}, bound: bound, grace: grace}
}

// write brings the file into step, or prints the text. wrote: the file has changed.
func (e *exporter) write(cluster *inventory.Cluster) (wrote bool, err error) {
	inv := inventory.New(cluster, e.Filter)
	options := e.Text
	options.Now = e.Clock.Now()
	if e.Output != "" {
		if options.Previous, err = readIfThere(e.Output); err != nil {
			return false, err
		}
	}
	text := e.Format.Write(inv, options)
	e.tell(text.Left)
	if e.Output == "" {
		_, err = e.Out.Write(text.Bytes)
		return false, err
	}
	wrote, lost, err := replace(e.Output, options.Previous, text.Bytes)
	if lost != "" {
		e.say.line("%s could not keep %s", e.Output, lost)
	}
	if wrote {
		e.say.line("%s is written: %s at %s", e.Output, count(len(inv.Ports), "node port"), count(len(inv.Nodes), "node"))
	}
	return wrote, err
}

func (e *exporter) tell(left []string) {
	if all := strings.Join(left, "\n"); all != e.told {
		for _, line := range left {
			e.say.line("%s", line)
		}
		e.told = all
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// voice says what happens. Any number of goroutines may use it.
type voice struct {
	mu sync.Mutex // guards to
	to io.Writer
}

func (v *voice) line(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.to, format+"\n", args...)
}

// Write has what a hook prints go the same way.
func (v *voice) Write(text []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.to.Write(text)
}
