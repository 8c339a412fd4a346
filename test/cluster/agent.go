package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// agent plays the kubelet of one node, with a kubelet's rights: it registers the node, sends heartbeats, and keeps the
// Pods that are bound to it (pod.go) in step with the API server.
type agent struct {
	cluster *Cluster
	node    *Node
	client  kubernetes.Interface
	lister  corelisters.PodLister
	queue   workqueue.TypedRateLimitingInterface[types.NamespacedName]
	ips     *podIPs

	mu       sync.Mutex // guards pods and stand-ins; what happens to one Pod is serialised by the queue
	pods     map[types.NamespacedName]*podRuntime
	standIns map[types.NamespacedName]*standIn // by the ServiceAccount of the Pods
}

const (
	agentWorkers = 4
	retryFirst   = 50 * time.Millisecond
	retryLast    = 2 * time.Second
)

// startAgent registers the node and returns when its Pods are known. The agent runs until Stop.
func (c *Cluster) startAgent(ctx context.Context, n *Node) (*agent, error) {
	path, err := c.writeKubeconfig(n.Name+".kubeconfig", c.url, "system:node:"+n.Name, "system:nodes")
	if err != nil {
		return nil, err
	}
	config, err := restConfig(path)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ips, err := newPodIPs(n.PodCIDR)
	if err != nil {
		return nil, err
	}
	a := &agent{
		cluster: c, node: n, client: client, ips: ips,
		pods: map[types.NamespacedName]*podRuntime{}, standIns: map[types.NamespacedName]*standIn{},
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](retryFirst, retryLast)),
	}
	if err := a.register(ctx); err != nil {
		return nil, err
	}
	if err := a.run(ctx); err != nil {
		return nil, err
	}
	return a, a.serveKubelet()
}

// run starts the watch, the workers and the heartbeat, and returns when the watch has seen all there is.
func (a *agent) run(ctx context.Context) error {
	running := a.cluster.running
	factory := informers.NewSharedInformerFactoryWithOptions(a.client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", a.node.Name).String()
	}))
	pods := factory.Core().V1().Pods()
	a.lister = pods.Lister()
	enqueue := func(object any) {
		if key, err := cache.DeletionHandlingObjectToName(object); err == nil {
			a.queue.Add(key.AsNamespacedName())
		}
	}
	if _, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, now any) { enqueue(now) },
		DeleteFunc: enqueue,
	}); err != nil {
		return err
	}
	factory.Start(running.Done())
	a.cluster.background.Go(a.heartbeats)
	a.cluster.background.Go(func() {
		a.work()
		factory.Shutdown()
	})
	if !cache.WaitForCacheSync(ctx.Done(), pods.Informer().HasSynced) {
		return fmt.Errorf("listing its Pods: %w", context.Cause(ctx))
	}
	return nil
}

// work reconciles Pods until Stop, then ends them all.
func (a *agent) work() {
	context.AfterFunc(a.cluster.running, a.queue.ShutDown)
	var workers sync.WaitGroup
	for range agentWorkers {
		workers.Go(func() {
			for a.next() {
			}
		})
	}
	workers.Wait()
	for key := range a.pods {
		a.endPod(key)
	}
}

func (a *agent) next() bool {
	key, shutdown := a.queue.Get()
	if shutdown {
		return false
	}
	defer a.queue.Done(key)
	if err := a.reconcile(a.cluster.running, key); err != nil {
		a.complain("Pod "+key.String(), err)
		a.queue.AddRateLimited(key)
		return true
	}
	a.queue.Forget(key)
	return true
}

// complain tells of an error that is about to be tried again; not of one that only says that the API server is away.
func (a *agent) complain(what string, err error) {
	if away := utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err); away {
		return
	}
	if a.cluster.running.Err() == nil {
		a.cluster.logf("%s: %s: %v", a.node.Name, what, err)
	}
}

// runtimeOf is what runs of a Pod, nil if nothing does.
func (a *agent) runtimeOf(key types.NamespacedName) *podRuntime {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pods[key]
}

func (a *agent) setRuntime(key types.NamespacedName, r *podRuntime) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r == nil {
		delete(a.pods, key)
		return
	}
	a.pods[key] = r
}

// awaitSchedulable returns when the node is Ready and the taint that every new node has is gone.
func (c *Cluster) awaitSchedulable(ctx context.Context, n *Node) error {
	return c.controllerManager.await(ctx, func(ctx context.Context) error {
		node, err := c.admin.CoreV1().Nodes().Get(ctx, n.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, taint := range node.Spec.Taints {
			if taint.Key == corev1.TaintNodeNotReady {
				return fmt.Errorf("taint %s is still on it", taint.Key)
			}
		}
		return nil
	})
}
