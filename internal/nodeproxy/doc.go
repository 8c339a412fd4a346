// Package nodeproxy keeps a node's kernel in step with the cluster's Services.
//
// One change on its way:
//
//	watch ──> track ──────────> route.Service ──> route.Planner ──> nft.Kernel ──> conntrack ──> health, report
//	          which Service      what this node    the elements       one batch      UDP flows     who asks
//	          has changed        does for it       that differ                       to the gone
//
// All of it is one loop on one goroutine: what waits meanwhile is taken together the next time. Nothing is written
// before Services, EndpointSlices and the node itself are read in full, and what the kernel holds from before is taken
// over, so that a restart changes nothing that has not changed.
//
// The same loop has the guard follow, on every node and for the node ports of all proxies: guardian and guard.Planner.
// Beside it, and never waited for, run what else is told of the node: what listens at node ports (clashes), and which are
// used (usage). So does the sweeper, which ends flows to the gone, and connections of those who may no longer reach a node port.
package nodeproxy
