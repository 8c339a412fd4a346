// Package proxysite gives a node's proxy, ours or kube-proxy, a real API server and real packets: for the conformance
// tests, and for programs that break or measure proxies.
//
// The control plane is test/cluster's, without nodes of its own. What is around the node is network namespaces:
//
//	client      192.0.2.11 ─┐        ┌─ node  192.0.2.1 (the proxy) ─┬─ local1  10.244.1.18
//	neighbour   192.0.2.12 ─┼─ LAN ──┤                               ├─ local2  10.244.1.34
//	                        ┘        │                               └─ ...
//	                                 └─ other 192.0.2.2 (no proxy)  ─┬─ remote1 10.244.2.18
//	                                                                 └─ ...
//
// Each host has an address of each family, client and neighbour send to the node what is not on the LAN, and so does
// the other node. Pods serve PodPort and OtherPort over TCP, UDP and SCTP, and answer who they are and who asked.
//
// Nothing is served by selector: whoever uses a site writes Services and EndpointSlices himself, so that each case is
// exact, and calls InStep to know that the proxy has programmed all of them.
package proxysite
