// Package metrics names every metric of the node-proxy.
//
// Those that begin with kubeproxy_ are kube-proxy's own, with its types, labels and buckets, so that what was built on
// them goes on working: they are the ones of its nftables mode in 1.36 (pkg/proxy/metrics). kube-proxy has a proxy for
// each IP family, which are synced apart. Here one batch holds both, and it counts for each.
//
// Left out is sync_proxy_rules_nftables_cleanup_failures_total, as there are no stale chains to clean up, and all that
// speaks of iptables.
package metrics
