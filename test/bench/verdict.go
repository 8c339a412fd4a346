package main

import "fmt"

// row is one figure of a benchmark.
type row struct {
	Name string `json:"name"`
	// Kind is the name of the row's bar, where it is not the row's own.
	Kind string `json:"kind,omitempty"`
	Unit string `json:"unit,omitempty"`
	// Peer is the peer's figure and PeerName says who that is; empty: there is none.
	PeerName string  `json:"peerName,omitempty"`
	Peer     float64 `json:"peer,omitempty"`
	// Value is Portolan's figure.
	Value float64 `json:"value"`
	// Ratio is Value to Peer, the median of the rounds, with its interval; nil without a peer.
	Ratio *interval `json:"ratio,omitempty"`
	// Bar and Verdict are filled in by judge; empty: no bar.
	Bar     string `json:"bar,omitempty"`
	Verdict string `json:"verdict,omitempty"`
}

// Verdicts.
const (
	met     = "met"
	notMet  = "not met"
	tooWide = "too noisy to say"
)

// judge holds each row against its bar.
func judge(benchmark string, m measured) measured {
	for i, r := range m.Rows {
		m.Rows[i].Bar, m.Rows[i].Verdict = "", ""
		if b, ok := barFor(benchmark, r); ok {
			m.Rows[i].Bar, m.Rows[i].Verdict = b.text(r), b.verdict(r)
		}
	}
	return m
}

func (b bar) onRatio(r row) bool { return r.Ratio != nil && !b.absolute }

func (b bar) text(r row) string {
	unit := " " + r.Unit
	if b.onRatio(r) {
		unit = " x"
	}
	switch {
	case b.zero:
		return "0"
	case b.noise > 0:
		return fmt.Sprintf("%.2f%s within noise", b.atLeast, unit)
	case b.atLeast > 0:
		return fmt.Sprintf(">= %g%s", b.atLeast, unit)
	case b.ratioAtMost > 0:
		return fmt.Sprintf("<= %g%s, <= %g x", b.atMost, unit, b.ratioAtMost)
	}
	return fmt.Sprintf("<= %g%s", b.atMost, unit)
}

func (b bar) verdict(r row) string {
	v := r.Value
	if b.onRatio(r) {
		v = r.Ratio.Median
	}
	switch {
	case b.zero:
		return verdictOf(v == 0)
	case b.noise > 0 && b.onRatio(r) && r.Ratio.High/r.Ratio.Low-1 > b.noise:
		return tooWide
	case b.noise > 0 && b.onRatio(r):
		return verdictOf(r.Ratio.High >= b.atLeast)
	case b.atLeast > 0:
		return verdictOf(v >= b.atLeast)
	case b.ratioAtMost > 0 && r.Ratio != nil && r.Ratio.Median > b.ratioAtMost:
		return notMet
	}
	return verdictOf(v <= b.atMost)
}

func verdictOf(ok bool) string {
	if ok {
		return met
	}
	return notMet
}
