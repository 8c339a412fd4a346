package main

// The bars: what each figure has to reach. They change by review alone, never to fit a figure.

// bar is a bound on a row's value or, where the row has a peer, on the ratio of value to peer.
type bar struct {
	// atLeast and atMost bound it; 0: not on this side.
	atLeast, atMost float64
	// absolute holds the bar against the value, although the row has a peer.
	absolute bool
	// ratioAtMost bounds the ratio as well, where absolute holds the other bounds against the value.
	ratioAtMost float64
	// noise is how wide the interval of the ratio may be (high/low - 1) for a bar that is met "within noise": where
	// the interval reaches the bar. 0: the median itself must reach it.
	noise float64
	// zero: nothing but 0 will do.
	zero bool
}

var bars = map[string]map[string]bar{
	// Twenty nanoseconds for taking a number and giving it back, or for finding the next free one: nothing beside an
	// admission request of milliseconds, at any size and however full. Flat: full costs at most half as much again
	// as empty, where a scan costs a thousand times as much.
	"bitmap": {
		"take-give-back": {atMost: 20, absolute: true},
		"next-free":      {atMost: 20, absolute: true},
		"allocations":    {zero: true},
		"flatness":       {atMost: 1.5},
	},
	// A claim is a write of its own, on top of the three of a native creation (address, numbers, Service). So the
	// least that Portolan can add to a creation is one bare claim; two at the median, and three bare claims' p99 at
	// the p99, leave room for two webhook calls. Like is held against like: added p50 against p50, added p99
	// against p99, at the same number of workers.
	"admission": {
		"creates/s, 8 workers": {atLeast: 0.7},
		"added p50, 1 worker":  {atMost: 2}, "added p50, 8 workers": {atMost: 2}, "added p50, 32 workers": {atMost: 2},
		"added p99, 1 worker": {atMost: 3}, "added p99, 8 workers": {atMost: 3}, "added p99, 32 workers": {atMost: 3},
		// The webhooks fail open, so a manager that is late would make the figures look better.
		"requests let through unanswered": {zero: true},
	},
	// Services without node ports never reach the webhooks: the same speed. "The same" is an interval of ratios that
	// reaches 1, if it is no wider than a tenth: a wider one says nothing.
	"other-services": {
		"creates/s":     {atLeast: 1, noise: 0.1},
		"updates/s":     {atLeast: 1, noise: 0.1},
		"webhook calls": {zero: true},
	},
	// What nobody waits for must not be felt: reports take no more than a twentieth of a core of each server, at 5,000
	// nodes. What is beyond that is for clusters in which all numbers are used everywhere, and is shown without a bar.
	"use": {"CPU time, typical": {atMost: 50, absolute: true}},
	// A manager that serves a large cluster is to fit beside others on a small machine.
	"scale": {
		"manager's memory":                {atMost: 150},
		"requests let through unanswered": {zero: true},
	},
	// The same of all that it keeps of such a cluster; and to put a ledger right from end to end is a moment's work, which
	// nobody who creates a Service meanwhile need notice.
	"manager": {
		"memory, all": {atMost: 150},
		"full repair": {atMost: 1},
	},
	// A node that has come up, or whose proxy was replaced, is of no use until it knows the Services. kube-proxy writes
	// 10,000 of them in tens of seconds; two orders of magnitude less is when nobody waits for it any more. Chains and
	// sets are the same however many Services there are: that is what all else here comes from.
	"cold-sync": {
		"start to in step, 10000 x 2": {atMost: 0.01},
		"the sync itself, 10000 x 2":  {atMost: 0.01}, // without the API server's part, and the libraries'
		"objects":                     {atMost: 1},
	},
	// A pod that ends goes on taking connections until all nodes know. Five milliseconds are less than a client needs to
	// notice; and as much with 20,000 Services as with 1,000, to half as much again.
	"one-change": {
		"told p50":                  {atMost: 5, absolute: true},
		"told p99":                  {atMost: 20, absolute: true},
		"told p50, 10,000 Services": {atMost: 5, absolute: true, ratioAtMost: 0.01},
		"flatness":                  {atMost: 1.5},
	},
	// It runs on every node. CPU time without anything to do is too little to be compared.
	"memory": {
		"resident, idle":           {atMost: 0.333},
		"resident, churn":          {atMost: 0.333},
		"CPU time a second, churn": {atMost: 0.333},
	},
	// The path of packets must not be what a node pays with for the rest.
	"connections": {"connections/s, many Services": {atLeast: 1, noise: 0.1}},
	"throughput":  {"throughput": {atLeast: 1, noise: 0.1}},
	// To say who may reach a node port is no reason to make node ports slower: it costs each new connection some lookups,
	// and established ones nothing, however much is said. A hundred connections of a guarded node are 97 at least.
	"guard": {"connections/s": {atLeast: 0.97, noise: 0.1}},
	// What is in the kernel serves while nobody is there, and is taken over by who comes next: so nothing is lost. A
	// tenth of a second is less than a process of the node takes to be noticed as gone.
	"recovery": {
		"started again to in step, 10000 Services": {atMost: 100, absolute: true},
		"connections lost":                         {zero: true},
	},
}

// barFor finds the bar of a row; Kind is the row's name where many rows share a bar.
func barFor(benchmark string, r row) (bar, bool) {
	b, ok := bars[benchmark][r.Kind]
	if !ok {
		b, ok = bars[benchmark][r.Name]
	}
	return b, ok
}
