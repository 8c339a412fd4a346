package conformance

import (
	"slices"
	"testing"

	"github.com/portolan-dev/portolan/test/proxysite"
)

// difference is something that a proxy does otherwise than the case wants, and why that is as it is. One that is not in
// this list fails, and so does one in this list that does not occur.
type difference struct {
	of        []proxysite.Kind
	behaviour string
	step      string    // of the behaviour, "" for what is given
	probe     string    // "" for each of the step
	over      []variant // nil: all of the probe's
	got       string
	why       string
}

var (
	kubeProxy = []proxysite.Kind{proxysite.KubeProxyNFTables, proxysite.KubeProxyIPTables}
	iptables  = []proxysite.Kind{proxysite.KubeProxyIPTables}
	nftables  = []proxysite.Kind{proxysite.KubeProxyNFTables}
	ours      = []proxysite.Kind{proxysite.NodeProxy}
)

var differences = []difference{}

// expect is what a proxy is expected to do, and why that is something else than the case wants; "" if it is not.
func expect(kind proxysite.Kind, behaviour, step string, p probe, v variant) (want, why string) {
	for _, d := range differences {
		if d.matches(kind, behaviour, step, p, v) {
			return d.got, d.why
		}
	}
	return p.want, ""
}

func (d difference) matches(kind proxysite.Kind, behaviour, step string, p probe, v variant) bool {
	return slices.Contains(d.of, kind) && d.behaviour == behaviour && d.step == step &&
		(d.probe == "" || d.probe == p.String()) && (d.over == nil || slices.Contains(d.over, v))
}

func TestEachDifferenceIsOfAProbe(t *testing.T) {
	for _, d := range differences {
		if !d.isOfAProbe() {
			t.Errorf("%s, %s, %s: no case has this probe, or it wants %s itself", d.behaviour, d.step, d.probe, d.got)
		}
	}
}

func (d difference) isOfAProbe() bool {
	for _, b := range behaviours() {
		for _, s := range b.steps() {
			for _, p := range s.probes {
				for _, v := range p.variants() {
					if d.got != p.want && d.matches(d.of[0], b.name, s.name, p, v) {
						return true
					}
				}
			}
		}
	}
	return false
}
