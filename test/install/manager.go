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
	done   chan error
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
		MetricsBindAddress: "0",
		ProbeBindAddress:   "0",
		LeaderElect:        true,
	}
}

// Start runs a manager in this process and returns when it is ready. change, if not nil, changes its options.
func (i *Installation) Start(ctx context.Context, change func(*manager.Options)) (*Replica, error) {
	config, err := i.Config()
	if err != nil {
		return nil, err
	}
	options := i.Options()
	options.Instance = fmt.Sprintf("-%d", instances.Add(1))
	if change != nil {
		change(&options)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m, err := manager.New(running, config, options)
	if err != nil {
		cancel()
		return nil, err
	}
	r := &Replica{Manager: m, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- m.Run(running) }()
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		select {
		case err := <-r.done:
			r.done <- err
			return false, fmt.Errorf("the manager has ended: %w", err)
		default:
			return m.Ready(), nil
		}
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the manager is not ready: %w", err), r.Stop())
	}
	return r, nil
}

// Stop shuts the manager down and waits for its end.
func (r *Replica) Stop() error {
	r.cancel()
	return <-r.done
}
