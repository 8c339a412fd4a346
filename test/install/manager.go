package install

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/portolan-dev/portolan/internal/manager"
)

// instances counts the managers of this process.
var instances atomic.Int64

// Replica is a manager that runs in this process.
type Replica struct {
	*manager.Manager
	cancel context.CancelFunc
	ended  chan struct{} // closed when Run has returned
	err    error         // what it has returned; set before ended is closed
}

// Config is the manager's connection to the API server, with its own rights.
func (i *Installation) Config() (*rest.Config, error) {
	return clientcmd.BuildConfigFromFlags("", i.Kubeconfig)
}

// Options are the manager's, as config/manager sets them, for a replica on this machine.
func (i *Installation) Options() manager.Options {
	return manager.Options{
		Namespace:          Namespace,
		WebhookHost:        "127.0.0.1",
		WebhookPort:        i.WebhookPort,
		WebhookCertDir:     i.CertDir,
		RotateCertificate:  true,
		ExtraDNSNames:      []string{"localhost"},
		CertificateSettle:  200 * time.Millisecond,
		MetricsBindAddress: "0",
		ProbeBindAddress:   "0",
		LeaderElect:        true,
	}
}

// Start runs a manager in this process and returns when it is ready. change, if not nil, changes its options.
func (i *Installation) Start(ctx context.Context, change func(*manager.Options)) (*Replica, error) {
	r, err := i.Launch(ctx, change)
	if err != nil {
		return nil, err
	}
	if err := r.AwaitReady(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

// Launch is Start that does not wait.
func (i *Installation) Launch(ctx context.Context, change func(*manager.Options)) (*Replica, error) {
	config, err := i.Config()
	if err != nil {
		return nil, err
	}
	options := i.Options()
	options.Instance = fmt.Sprintf("-%d", instances.Add(1))
	if change != nil {
		change(&options)
	}
	m, err := manager.New(config, options)
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &Replica{Manager: m, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = m.Run(running)
	}()
	return r, nil
}

// AwaitReady returns when the manager is ready, for which it has three minutes.
func (r *Replica) AwaitReady(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 3*time.Minute, true, func(context.Context) (bool, error) {
		if r.Ended() {
			return false, fmt.Errorf("it has ended: %w", r.err)
		}
		return r.Ready(), nil
	})
	if err != nil {
		return fmt.Errorf("the manager is not ready, its ledger is: %t: %w", r.Ledger.Ready(), err)
	}
	return nil
}

// Ended says whether the manager has ended, of itself or by Stop.
func (r *Replica) Ended() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// Stop shuts the manager down and waits for its end.
func (r *Replica) Stop() error {
	r.cancel()
	<-r.ended
	return r.err
}
