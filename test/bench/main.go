// Bench runs Portolan's benchmarks: product and peer in turn, in one run on one machine, several rounds.
//
// It prints a table and writes docs/benchmarks.md and docs/benchmarks.json; what was not run this time stays there as
// it was. A benchmark reports: the exit code tells of errors, never of a bar that was missed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// options are what the flags say.
type options struct {
	rounds     int
	numbers    string
	own        v1alpha1.PortRange // those of the namespace bench; zero: all
	scale      float64            // the share of the whole census
	workers    counts
	manager    string
	profileDir string
	output     string
	log        io.Writer
	// services are the numbers of Services of node benchmarks, ascending; beyond peerServices peers have one round.
	services     counts
	peerServices int
	peers        string
	resume       bool
	patience     time.Duration
}

// counts is a flag: numbers separated by commas.
type counts []int

func (c *counts) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(*c), " ", ","), "[]")
}

func (c *counts) Set(text string) error {
	*c = nil
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number from 1", field)
		}
		*c = append(*c, n)
	}
	return nil
}

// benchmark is one row of the design's table.
type benchmark struct {
	name string
	// how says what is measured and against whom; it heads the benchmark's table in docs/benchmarks.md.
	how string
	// rounds are run unless --rounds says otherwise.
	rounds int
	run    func(context.Context, options) (measured, error)
}

// measured is what a benchmark has found.
type measured struct {
	Rows []row `json:"rows"`
	// Notes are what a reader must know to judge the rows: set-up, counts, what went wrong.
	Notes []string `json:"notes,omitempty"`
}

// benchmarks in the order in which they run and are written.
var benchmarks = []benchmark{
	{"bitmap", bitmapHow, 7, runBitmap},
	{"admission", admissionHow, 3, runAdmission},
	{"other-services", otherServicesHow, 10, runOtherServices},
	{"use", useHow, 3, runUse},
	{"scale", scaleHow, 3, runScale},
	{"manager", managerHow, 3, runManager},
	{"cold-sync", coldSyncHow, 3, runColdSync},
	{"one-change", oneChangeHow, 3, runOneChange},
	{"memory", memoryHow, 3, runMemory},
	{"watch", watchHow, 3, runWatch},
	{"connections", connectionsHow, 10, runConnections},
	{"throughput", throughputHow, 10, runThroughput},
	{"recovery", recoveryHow, 5, runRecovery},
	{"guard", guardHow, 10, runGuard},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o := options{log: os.Stderr}
	flag.IntVar(&o.rounds, "rounds", 0, "How many `rounds` to run. Default: each benchmark's own number.")
	flag.StringVar(&o.numbers, "node-port-range", "31744-32767", "The `range` that admission fills, each round and each number of workers.")
	o.workers = counts{1, 8, 32}
	flag.Var(&o.workers, "workers", "By how many `workers` admission creates, separated by commas.")
	flag.StringVar(&o.manager, "manager", filepath.Join("bin", "manager"), "The manager's `binary`; `make bin/manager` builds it.")
	flag.Float64Var(&o.scale, "scale", 1, "The `share` of the cluster of scale, manager and watch, and of the nodes of use, that there is: 0.1 is a tenth.")
	o.services = counts{1000, 5000, 10000, 20000}
	flag.Var(&o.services, "services", "With how many `Services` the benchmarks of a node's proxy are run, separated by commas, ascending.")
	flag.IntVar(&o.peerServices, "peer-services", 10000, "The largest `number` of Services that peers are run with in every round; with more, in the first.")
	flag.StringVar(&o.peers, "peers", "nftables,iptables", "The `modes` of kube-proxy that are peers of the node-proxy.")
	flag.DurationVar(&o.patience, "patience", 3*time.Minute, "How long a proxy may take until it is in step.")
	flag.BoolVar(&o.resume, "resume", false, "Go on with a run that was interrupted: leave out what has figures of this commit, made with the same flags.")
	flag.StringVar(&o.profileDir, "profile", "", "Write CPU profiles of the manager under load to this `directory`, and no figures to docs: profiling costs time.")
	flag.StringVar(&o.output, "output", "docs", "The `directory` of benchmarks.md and benchmarks.json; empty: print only.")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "Usage: go run ./test/bench [flags] [%s]...\n\nFlags:\n", strings.Join(names(), "|"))
		flag.PrintDefaults()
	}
	flag.Parse()
	chosen, err := choose(flag.Args())
	if err != nil {
		return err
	}
	ctrl.SetLogger(logr.Discard())
	return runAll(ctx, chosen, o)
}

func runAll(ctx context.Context, chosen []benchmark, o options) error {
	report, err := readReport(o.output)
	if err != nil {
		return err
	}
	of, err := findSource()
	if err != nil {
		return err
	}
	machine, err := describeMachine()
	if err != nil {
		return err
	}
	for _, b := range chosen {
		if o.resume && of.made(report.Benchmarks[b.name]) {
			fmt.Fprintf(o.log, "%s has figures of %s\n", b.name, of.commit)
			continue
		}
		own := o
		if own.rounds == 0 {
			own.rounds = b.rounds
		}
		started := time.Now()
		found, err := b.run(ctx, own)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		result := result{Date: started.UTC().Format(time.DateOnly), Commit: of.commit, Flags: of.flags, Seconds: int(time.Since(started).Seconds()),
			Rounds: own.rounds, Machine: machine, measured: judge(b.name, found)}
		report.Benchmarks[b.name] = result
		printTable(os.Stdout, b.name, result)
		if o.profileDir == "" {
			if err := writeReport(o.output, report); err != nil {
				return err
			}
		}
	}
	return nil
}

func names() []string {
	var all []string
	for _, b := range benchmarks {
		all = append(all, b.name)
	}
	return all
}

// choose finds benchmarks by name; none: all.
func choose(asked []string) ([]benchmark, error) {
	var chosen []benchmark
	for _, b := range benchmarks {
		if len(asked) == 0 || slices.Contains(asked, b.name) {
			chosen = append(chosen, b)
		}
	}
	for _, name := range asked {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("no benchmark %q: there are %s", name, strings.Join(names(), ", "))
		}
	}
	return chosen, nil
}
