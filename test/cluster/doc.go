// Package cluster runs a Kubernetes cluster on this machine, for the demo, for end-to-end tests and for benchmarks.
//
// The control plane is real: etcd, kube-apiserver, kube-controller-manager and kube-scheduler, as child processes that
// listen on loopback. Nodes and pods are network namespaces: a small agent in this process plays the kubelet, and a real
// kube-proxy programs each node. Deployments, EndpointSlices, rollouts and Services are therefore the real ones; only
// the containers are not, every one of them is an echo server (see Echo).
//
//	host                    switch namespace             node namespaces                   pod namespaces
//	127.0.0.1:PORT <──────  198.18.N.1:PORT
//	(kube-apiserver)        (forwarder)
//	portolanN ─── veth ───  bridge ──── veth ────  198.18.N.11 node-1 (kube-proxy) ─ veth ─ 10.244.1.2, ...
//	198.18.N.2                     ├─── veth ────  198.18.N.12 node-2 (kube-proxy) ─ veth ─ 10.244.2.2, ...
//	                               └─── veth ────  198.18.N.3  client
//
// Nothing leaves the machine: the bridge lives in a namespace that forwards nothing and has no other way out. The host
// takes part with one interface, portolanN, whose name is also the claim on the subnet: two clusters never share one.
//
// What the API server itself sends into the cluster (calls of webhooks by Service reference, the proxy subresource, exec)
// goes through the first node, or to a process on the host that stands in for a Service: see Cluster.ServeService.
//
// A hostNetwork pod runs if a process of the node stands in for it: see Node.StandIn. kubectl exec goes into such pods.
//
// What it cannot do: run containers, images, probes, volumes or logs; exec into other pods; host ports; hostNetwork pods
// that nothing stands in for (they stay Pending with the reason); IPv6; Jobs, whose pods never end.
package cluster
