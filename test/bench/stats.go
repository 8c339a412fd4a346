package main

import (
	"math"
	"slices"
	"time"
)

// interval is a median and the interval that holds the true one with 95 % confidence. It is made of order statistics,
// which assume nothing of how the figures are spread (it is what benchstat does); below six rounds there is none that
// sure, and it is the whole spread.
type interval struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func intervalOf(values []float64) interval {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return interval{}
	}
	cut := 0
	for coverageWithout(cut+1, len(sorted)) >= 0.95 {
		cut++
	}
	return interval{median(sorted), sorted[cut], sorted[len(sorted)-1-cut]}
}

// coverageWithout is how sure it is that the true median lies between the n values that are left when cut are taken
// from each end: each value is on either side of it like the toss of a coin.
func coverageWithout(cut, n int) float64 {
	if 2*cut >= n {
		return 0
	}
	outside := 0.0
	ways := 1.0 // n choose i
	for i := range cut + 1 {
		outside += 2 * ways * math.Pow(0.5, float64(n))
		ways = ways * float64(n-i) / float64(i+1)
	}
	return 1 - outside
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratios divides round by round: what disturbs a whole round disturbs both sides of it. Nil where there is nothing to divide by.
func ratios(values, peers []float64) *interval {
	var all []float64
	for i := range min(len(values), len(peers)) {
		if peers[i] > 0 {
			all = append(all, values[i]/peers[i])
		}
	}
	if len(all) == 0 {
		return nil
	}
	r := intervalOf(all)
	return &r
}

// compared is a row of a product's and a peer's figures, one a round.
func compared(name, unit, peerName string, values, peers []float64) row {
	return row{Name: name, Unit: unit, PeerName: peerName, Peer: median(peers), Value: median(values), Ratio: ratios(values, peers)}
}

// minus are the differences, round by round.
func minus(a, b []float64) []float64 {
	var differences []float64
	for i := range min(len(a), len(b)) {
		differences = append(differences, a[i]-b[i])
	}
	return differences
}

// quantile is the smallest latency that at least this share did not exceed; latencies are sorted.
func quantile(latencies []time.Duration, share float64) time.Duration {
	if len(latencies) == 0 {
		return 0
	}
	return latencies[min(len(latencies)-1, int(math.Ceil(share*float64(len(latencies))))-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
