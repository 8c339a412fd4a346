// The manager serves Portolan's admission webhooks and runs its controllers.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/portolan-dev/portolan/controllers"
	"github.com/portolan-dev/portolan/internal/logs"
	"github.com/portolan-dev/portolan/internal/manager"
)

const usage = `manager serves Portolan's admission webhooks for Services, pools, reservations and accesses, and runs the
controllers that keep the ledger of node ports. Every replica serves the webhooks; with --leader-elect one of them runs the controllers.

Usage: manager [flags]

Flags:
`

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

// collectAt is how much garbage there may be beside what is kept, in percent. A replica that rests most of the time can give some
// processor time for the memory that it has reserved.
const collectAt = 50

func run() error {
	options, logger := parse(flag.CommandLine, os.Args[1:])
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)

	ctx := ctrl.SetupSignalHandler()
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	m, err := manager.New(cfg, options)
	if err != nil {
		return err
	}
	logger.Info("Starting", "namespace", options.Namespace, "leaderElect", options.LeaderElect)
	return m.Run(ctx)
}

// parse reads the flags; a wrong one ends the program with the help.
func parse(fs *flag.FlagSet, args []string) (manager.Options, logr.Logger) {
	o := manager.Options{}
	fs.StringVar(&o.Namespace, "namespace", namespace(), "The manager's own `namespace`, for its lease and certificate. Default: $POD_NAMESPACE.")
	fs.StringVar(&o.ServiceNodePortRange, "service-node-port-range", "",
		"The API server's node port `range`, such as 30000-32767. Default: learned from the API server.")
	fs.StringVar(&o.WebhookHost, "webhook-bind-host", "", "The `address` that the webhooks are served on. Default: all.")
	fs.IntVar(&o.WebhookPort, "webhook-port", 9443, "The `port` that the webhooks are served on.")
	fs.BoolVar(&o.RotateCertificate, "rotate-certificate", true,
		"Make and renew the webhooks' certificate in the Secret portolan-webhook-server-cert, and have the webhook configurations trust it. Switch off where something else does, like cert-manager.")
	fs.StringVar(&o.WebhookCertDir, "webhook-cert-dir", "/tmp/k8s-webhook-server/serving-certs",
		"The `directory` in which the webhooks' certificate (tls.crt, tls.key) is mounted; with --rotate-certificate=false only.")
	fs.StringVar(&o.WebhookClientCA, "webhook-client-ca-file", "",
		"A `file` with certificate authorities: the webhooks answer only who has a certificate of theirs. For API servers that are told to show one. Default: everybody is answered.")
	var dnsNames string
	fs.StringVar(&dnsNames, "extra-dns-names", "", "More `names` for the webhooks' certificate, separated by commas.")
	fs.StringVar(&o.MetricsBindAddress, "metrics-bind-address", ":8443", "The `address` that metrics are served on; 0 serves none.")
	fs.BoolVar(&o.MetricsSecure, "metrics-secure", true, "Serve metrics over HTTPS, to those only whom the API server lets get /metrics.")
	fs.StringVar(&o.ProbeBindAddress, "health-probe-bind-address", ":8081", "The `address` that /healthz and /readyz are served on.")
	fs.StringVar(&o.PprofBindAddress, "pprof-bind-address", "", "The `address` that profiles (/debug/pprof) are served on, for example 127.0.0.1:6060. Default: none.")
	fs.BoolVar(&o.Strict, "strict", false,
		"Have the ValidatingAdmissionPolicy nodeports.portolan.dev judge every node port. By default one that Kubernetes picks while Portolan is away gets through, whatever it is.")
	fs.DurationVar(&o.IdleAfter, "idle-after", 7*24*time.Hour,
		"After how long without a connection a node port is idle (condition Idle of its NodePortAllocation); where nodes count them. 0: none is called idle.")
	fs.DurationVar(&o.RepairEvery, "repair-every", controllers.RepairEvery,
		"How often every node port is looked at again, whether or not anything was seen to happen: a full repair.")
	fs.BoolVar(&o.LeaderElect, "leader-elect", false, "Run the controllers on one replica only: needed with more than one.")
	fs.DurationVar(&o.Lease.Duration, "leader-elect-lease-duration", 15*time.Second,
		"How long the other replicas wait after the leader's last sign of life before one of them runs the controllers.")
	fs.DurationVar(&o.Lease.RenewDeadline, "leader-elect-renew-deadline", 10*time.Second,
		"How long the leader tries to renew its lease before it ends, and is started again; less than the lease's duration.")
	fs.DurationVar(&o.Lease.RetryPeriod, "leader-elect-retry-period", 2*time.Second, "The time between two tries to get or renew the lease.")
	fs.DurationVar(&o.ShutdownDelay, "shutdown-delay", 10*time.Second,
		"How long the webhooks go on being served after SIGTERM, until the API servers have learned that this endpoint goes.")
	zapOptions := zap.Options{}
	zapOptions.BindFlags(fs)
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	_ = fs.Parse(args) // flag.CommandLine exits on an error
	if dnsNames != "" {
		o.ExtraDNSNames = strings.Split(dnsNames, ",")
	}
	return o, logs.New(zapOptions)
}

func namespace() string {
	if ns := os.Getenv("POD_NAMESPACE"); ns != "" {
		return ns
	}
	return "portolan-system"
}
