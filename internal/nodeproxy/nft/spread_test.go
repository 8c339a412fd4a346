package nft

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// wantEven wants what was drawn to be as even as chance has it (chi-squared): further away it is less than once in ten
// million times.
func wantEven(t *testing.T, drawn []string, of int) {
	t.Helper()
	counts := map[string]int{}
	for _, d := range drawn {
		counts[d]++
	}
	expected := float64(len(drawn)) / float64(of)
	sum := float64(of-len(counts)) * expected // those that were never drawn
	for _, c := range counts {
		sum += (float64(c) - expected) * (float64(c) - expected) / expected
	}
	if len(counts) > of || sum > 38 { // with up to four degrees of freedom
		t.Errorf("%v, chi-squared %.1f", counts, sum)
	}
	t.Logf("%v, chi-squared %.1f", counts, sum)
}

func TestConnectionsSpreadEvenly(t *testing.T) {
	n := newNode(t, 4)
	for _, f := range []Family{IPv4, IPv6} {
		a := n.addressing(f)
		n.install(slices.Concat(a.basics(), a.service(1, Word{Balance(4), 1}), a.list(1, 0, 1, 2, 3))...)
		var drawn []string
		err := n.Client.Do(func() error {
			for range 4000 {
				echo, err := testnet.Ask(t.Context(), "tcp", netip.AddrPortFrom(a.cluster(1), 80), patience)
				if err != nil {
					return err
				}
				drawn = append(drawn, echo.Host)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantEven(t, drawn, 4)
	}
}
