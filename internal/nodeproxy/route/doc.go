// Package route decides what this node does with a new connection: which frontends there are, which endpoints each
// leads to, and what the kernel's table must hold for that. Everything here is pure: objects in, values out.
//
//	Service    one Service and its EndpointSlices -> Plan: its frontends and their routes
//	Planner    plans, one after the other         -> Change: the elements to take out of the kernel's table and to put in
//
// Elements and tables are those of package nft, whose Table.Trace says what becomes of a packet.
//
// The answers are those of kube-proxy 1.36 (pkg/proxy/topology.go, CategorizeEndpoints):
//   - Cluster policy: the ready endpoints in this node's topology; where none is ready anywhere, those that still
//     serve while they terminate, whatever the topology.
//   - Local policy: the same of this node's own endpoints alone, without topology.
//   - internalTrafficPolicy rules the cluster IP, externalTrafficPolicy all else. Pods of this node and the node
//     itself take the Cluster policy where the external one is Local.
//   - No endpoint at all: refused. A Local policy and none here: discarded, for another node may have one.
package route
