package proxysite

import (
	"context"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
)

// The cluster's ranges. No Service has an address from the upper half of a service range unless it asks for it.
const (
	ServiceRange4 = "10.96.0.0/16"
	ServiceRange6 = "fd00:96::/112"
	PodRange4     = "10.244.0.0/16"
	PodRange6     = "fd00:244::/48"
)

// Plane is a control plane that sites use, one after the other or side by side.
type Plane struct {
	*cluster.Cluster
	// API is the admin's client.
	API kubernetes.Interface
	// Objects is the admin's client of all kinds, our own too.
	Objects client.Client

	kubeProxy string // kubeconfig
	sites     atomic.Int32
}

// StartPlane starts a dual-stack control plane, with our CustomResourceDefinitions. The caller ends it with Stop. Of
// options it sets the API server's flags.
func StartPlane(ctx context.Context, options cluster.Options) (_ *Plane, err error) {
	options.APIServerFlags = append(options.APIServerFlags, "--service-cluster-ip-range="+ServiceRange4+","+ServiceRange6)
	p := &Plane{}
	if p.Cluster, err = cluster.Start(ctx, options); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.Stop()
		}
	}()
	if p.API, err = kubernetes.NewForConfig(p.Config()); err != nil {
		return nil, err
	}
	if p.Objects, err = client.New(p.Config(), client.Options{Scheme: scheme()}); err != nil {
		return nil, err
	}
	if p.kubeProxy, err = p.KubeconfigOf("system:kube-proxy"); err != nil {
		return nil, err
	}
	return p, install.ApplyNodeProxyRights(ctx, p.Cluster)
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}
