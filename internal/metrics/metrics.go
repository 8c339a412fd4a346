// Package metrics names every metric of the manager. They are registered with controller-runtime's registry.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	// AdmissionDecisions counts decisions about Services.
	AdmissionDecisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portolan_admission_decisions_total",
		Help: "Decisions about Services by webhook (default, validate), operation (CREATE, UPDATE) and result (allowed, refused, failed).",
	}, []string{"webhook", "operation", "result"})

	// AdmissionBreaches counts the rules that Services broke.
	AdmissionBreaches = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portolan_admission_breaches_total",
		Help: "Rules that a Service would have broken, by pool whose rule it is (empty: no pool's; a breach of several counts for each), reason, and whether it was refused (enforced true) or only warned about (false). Dry-runs are left out.",
	}, []string{"pool", "reason", "enforced"})

	// AdmissionDuration is how long decisions take.
	AdmissionDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "portolan_admission_duration_seconds",
		Help:    "How long a decision about a Service takes, in seconds, by webhook (default, validate).",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2},
	}, []string{"webhook"})

	// Claims counts claims of numbers.
	Claims = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portolan_claims_total",
		Help: "Claims of node ports by result (claimed, exhausted, over_quota, taken, failed).",
	}, []string{"result"})

	// ClaimConflicts counts candidates that somebody else had claimed first.
	ClaimConflicts = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "portolan_claim_conflicts_total",
		Help: "Picked numbers that had been claimed by somebody else in the meantime.",
	})

	// HoldsGivenUp counts holds that made room for a claim.
	HoldsGivenUp = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "portolan_holds_given_up_total",
		Help: "Held numbers that were given up before their time: their namespace was at its limit, or the pool was full.",
	})

	// Repairs counts what the controllers put right.
	Repairs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portolan_repairs_total",
		Help: "Ledger entries put right by kind: adopted (a Service had the number without a claim), succeeded (its Service has gone, another one carries it), lapsed (claimed, and nobody came).",
	}, []string{"kind"})

	// PoolPorts are the numbers of each pool by state.
	PoolPorts = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portolan_pool_ports",
		Help: "Numbers of a pool by state (total, bound, pending, held, reserved, free; clashing: nobody has it, and something else uses it on a node; outside: taken from it, and not in its ranges any more).",
	}, []string{"pool", "state"})

	// ClashingNodePorts are the numbers that something else uses on nodes.
	ClashingNodePorts = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portolan_clashing_node_ports",
		Help: "Numbers that something else uses on at least one node, by kind of use (HostListener, HostPort, Unknown; with several it counts for each) and whether a Service has the number (allocated).",
	}, []string{"kind", "allocated"})

	// PoolBreaches are the live Services that break the rules of each pool.
	PoolBreaches = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portolan_pool_breaches",
		Help: "Live Services that break the rules of a pool and keep their numbers; one that breaks the rules of several counts for each.",
	}, []string{"pool"})

	// Reservations are the reservations by the reason of their condition.
	Reservations = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portolan_reservations",
		Help: "Reservations by the reason of their condition Ready (Reserved: it is True; NumberTaken, QuotaExceeded, NotAllowed, PoolMissing: it is False).",
	}, []string{"reason"})

	// Conflicts are the numbers that several Services carry.
	Conflicts = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "portolan_conflicts",
		Help: "Numbers that several Services carry at present.",
	})

	// IdlePorts are the numbers of each pool that Services have and nobody uses.
	IdlePorts = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portolan_idle_ports",
		Help: "Numbers that a Service has and nobody has used for --idle-after, by pool (empty: no pool's). A pool is left out where no node counts.",
	}, []string{"pool"})
)

// What is wrong at present.
var (
	// CertificateExpiration is when the webhooks' certificate ends.
	CertificateExpiration = newAsked("portolan_certificate_expiration_timestamp_seconds",
		"When the certificate that this replica serves the webhooks with ends, in Unix time. Left out while it has none.")

	// PolicyOutOfStep is 1 while the ValidatingAdmissionPolicy of all pools is not as the pools have it.
	PolicyOutOfStep = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "portolan_policy_out_of_step",
		Help: "1 while the API server does not take the rules that are to hold while Portolan is away, or warns of them; else 0.",
	})

	// UnprogrammedNodePorts are the numbers that nodes which serve their Services have lacked for a while.
	UnprogrammedNodePorts = newAsked("portolan_unprogrammed_node_ports",
		"Numbers that for five minutes at least one node whose node-proxy serves their Service has not had in force, or not said so.")

	// Nodes are the nodes that report.
	Nodes = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portolan_nodes",
		Help: "Nodes whose node-proxy has reported, also one that has ended since, by the mode in which it serves Services (Labelled, All, None).",
	}, []string{"mode"})

	// Accesses are the NodePortAccess objects by the reasons of their conditions.
	Accesses = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portolan_accesses",
		Help: "NodePortAccess objects by condition (Ready, Programmed) and its reason (Selects, SelectsNothing, Invalid; AllNodes, Programming, NoGuard).",
	}, []string{"condition", "reason"})
)

// ForgetPool ends the series of a pool that was deleted.
func ForgetPool(name string) {
	of := prometheus.Labels{"pool": name}
	AdmissionBreaches.DeletePartialMatch(of)
	PoolPorts.DeletePartialMatch(of)
	PoolBreaches.DeletePartialMatch(of)
}

var all = []prometheus.Collector{AdmissionDecisions, AdmissionBreaches, AdmissionDuration, Claims, ClaimConflicts,
	HoldsGivenUp, Repairs, PoolPorts, ClashingNodePorts, PoolBreaches, Reservations, Conflicts, IdlePorts,
	CertificateExpiration, PolicyOutOfStep, UnprogrammedNodePorts, Nodes, Accesses}

func init() {
	metrics.Registry.MustRegister(all...)
	begin()
}

// begin has the counters there from the start, so that the first increase shows.
func begin() {
	for _, webhook := range []string{"default", "validate"} {
		for _, operation := range []string{"CREATE", "UPDATE"} {
			for _, result := range []string{"allowed", "refused", "failed"} {
				AdmissionDecisions.WithLabelValues(webhook, operation, result)
			}
		}
	}
	for _, result := range []string{"claimed", "exhausted", "over_quota", "taken", "failed"} {
		Claims.WithLabelValues(result)
	}
	for _, kind := range []string{"adopted", "succeeded", "lapsed"} {
		Repairs.WithLabelValues(kind)
	}
}
