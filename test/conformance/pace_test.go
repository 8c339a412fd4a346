package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const (
	paceNumber  = 250 // beyond those of cases
	paceChanges = 50
	// soonEnough is what docs/howto/access.md promises, of most changes: some wait for the machine.
	soonEnough = 100 * time.Millisecond
)

func TestANodeFollowsChangesOfWhoMayReachANodePort(t *testing.T) {
	if plane == nil {
		t.Skip("needs root: it makes network namespaces")
	}
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			s := &stage{command: proxysite.Command{Kind: kind}, guarded: true, ports: map[string]uint16{}}
			t.Cleanup(s.strike)
			if err := s.set(t.Context()); err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, s, paceNumber)
			given := inTurn(put(with(web(), pods("local1"))), allow("office", from("client")))
			if err := errors.Join(given(t.Context(), w), s.site.Settled(t.Context())); err != nil {
				t.Fatal(err)
			}
			var took []time.Duration
			for i := range paceChanges {
				took = append(took, w.timeChange(t, i%2 == 1))
			}
			slices.Sort(took)
			t.Logf("from the API server's answer to the first connection that meets the change, of %d changes: p50 %s, the slowest %s",
				len(took), took[len(took)/2], took[len(took)-1])
			if median := took[len(took)/2]; median > soonEnough {
				t.Errorf("half of the changes take longer than %s, want %s at most", median, soonEnough)
			}
		})
	}
}

// timeChange lets the client in, or no more, while it asks all the time, and says how long that took since the API server
// had the change.
func (w *world) timeChange(t *testing.T, in bool) time.Duration {
	t.Helper()
	host, want := "neighbour", error(unix.ECONNREFUSED)
	if in {
		host, want = "client", nil
	}
	to, err := w.resolve(nodePort("web", 80), tcp4)
	if err != nil {
		t.Fatal(err)
	}
	var met time.Time
	asked := make(chan error, 1)
	go func() {
		asked <- w.site.Client.Do(func() (err error) {
			met, err = awaitAnswer(t.Context(), to, want)
			return err
		})
	}()
	err = allow("office", from(host))(t.Context(), w)
	changed := time.Now()
	if err := errors.Join(err, <-asked); err != nil {
		t.Fatal(err)
	}
	return max(0, met.Sub(changed))
}

// awaitAnswer asks, from the thread that it is called on, until the answer is as wanted, and returns when it was asked.
func awaitAnswer(ctx context.Context, to netip.AddrPort, want error) (time.Time, error) {
	deadline := time.Now().Add(patience)
	for {
		began := time.Now()
		_, err := testnet.Ask(ctx, "tcp", to, patience)
		switch {
		case errors.Is(err, want):
			return began, nil
		case began.After(deadline):
			return began, fmt.Errorf("after %s the answer is %s, want %s", patience, fmt.Sprint(err), fmt.Sprint(want))
		}
		time.Sleep(200 * time.Microsecond) // leave the processor to the guard
	}
}
