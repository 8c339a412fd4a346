package metrics

// kube-proxy's names.
const (
	SyncDuration        = "kubeproxy_sync_proxy_rules_duration_seconds"
	SyncFullDuration    = "kubeproxy_sync_full_proxy_rules_duration_seconds"
	SyncPartialDuration = "kubeproxy_sync_partial_proxy_rules_duration_seconds"
	SyncLastQueued      = "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds"
	SyncLast            = "kubeproxy_sync_proxy_rules_last_timestamp_seconds"
	SyncFailures        = "kubeproxy_sync_proxy_rules_nftables_sync_failures_total"
	NetworkProgramming  = "kubeproxy_network_programming_duration_seconds"
	ServiceChanges      = "kubeproxy_sync_proxy_rules_service_changes_total"
	ServicesPending     = "kubeproxy_sync_proxy_rules_service_changes_pending"
	EndpointChanges     = "kubeproxy_sync_proxy_rules_endpoint_changes_total"
	EndpointsPending    = "kubeproxy_sync_proxy_rules_endpoint_changes_pending"
	NoLocalEndpoints    = "kubeproxy_sync_proxy_rules_no_local_endpoints_total"
	Healthz             = "kubeproxy_proxy_healthz_total"
	Livez               = "kubeproxy_proxy_livez_total"
	ConntrackDuration   = "kubeproxy_conntrack_reconciler_sync_duration_seconds"
	ConntrackDeleted    = "kubeproxy_conntrack_reconciler_deleted_entries_total"
)

// Our own names.
const (
	Services           = "portolan_node_services"
	Frontends          = "portolan_node_frontends"
	Endpoints          = "portolan_node_endpoints"
	Conflicts          = "portolan_node_conflicts"
	KernelElements     = "portolan_node_kernel_elements"
	WaitingSince       = "portolan_node_waiting_since_timestamp_seconds"
	Batches            = "portolan_node_batches_total"
	BatchDuration      = "portolan_node_batch_duration_seconds"
	ChangeDuration     = "portolan_node_change_duration_seconds"
	Resyncs            = "portolan_node_resyncs_total"
	ConntrackEntries   = "portolan_node_conntrack_entries"
	ConntrackLimit     = "portolan_node_conntrack_limit"
	ConntrackDeletions = "portolan_node_conntrack_deletions_total"
	HealthCheckPorts   = "portolan_node_healthcheck_ports"
	Clashes            = "portolan_node_clashes"
	GuardStale         = "portolan_node_guard_stale"
	GuardCrowdedPorts  = "portolan_node_guard_crowded_ports"
)

// The labels. Each has a few values, and none grows with the cluster.
const (
	labelFamily        = "ip_family"      // IPv4, IPv6
	labelTrafficPolicy = "traffic_policy" // internal, external
	labelCode          = "code"           // 200, 503
	labelResult        = "result"         // applied, failed
	labelReason        = "reason"         // a Reason
	labelProtocol      = "protocol"       // TCP, UDP, SCTP
	labelState         = "state"          // open, failing
	labelKind          = "kind"           // HostListener, HostPort, Ephemeral
	labelAllocated     = "allocated"      // true, false
)

// Reason is why the whole of the node's table was compared with the kernel's.
type Reason string

// The reasons.
const (
	// Start: the proxy has begun.
	Start Reason = "start"
	// BatchFailed: the kernel did not take a batch, so what it holds is in doubt.
	BatchFailed Reason = "batch_failed"
	// Foreign: somebody else has changed the table.
	Foreign Reason = "foreign_change"
)
