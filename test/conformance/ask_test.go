package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const (
	patience = 10 * time.Second       // for an answer; on a machine that has other things to do it may take a while
	silence  = 250 * time.Millisecond // without one; an answer takes less than a hundredth of it
)

// ask asks a probe's question and describes what becomes of it, in the words of what is expected as far as they are true.
func (w *world) ask(ctx context.Context, p probe, v variant, expected string) (string, error) {
	to, err := w.resolve(p.to, v)
	if err != nil {
		return "", err
	}
	from := w.site.Host(p.from)
	if from == nil {
		return "", fmt.Errorf("no host %q", p.from)
	}
	o := newOutcome()
	err = from.Do(func() error {
		if p.flow != "" {
			return w.askOn(ctx, o, from, p.flow+" over "+v.String(), v, to, expected)
		}
		if v.network == http {
			return askHTTP(ctx, o, to, p.to.path)
		}
		return w.askOften(ctx, o, from, p, v, to, expected)
	})
	if err != nil {
		return "", err
	}
	return w.inWordsOf(expected, o, p, v), nil
}

// inWordsOf describes an outcome, and keeps who answered in mind where that is what is asked for.
func (w *world) inWordsOf(expected string, o *outcome, p probe, v variant) string {
	kind, among, ok := sticky(expected)
	switch {
	case strings.HasPrefix(expected, evenly) && o.isEven():
		return evenly + o.String()
	case !ok:
		return o.String()
	}
	key := fmt.Sprint(p.from, " to ", p.to, " over ", v)
	w.mu.Lock()
	defer w.mu.Unlock()
	text := described(o, kind, among, w.before[key])
	w.before[key] = strings.TrimSuffix(o.String(), " masqueraded")
	return text
}

// askOften opens flow after flow: one where nobody shall answer, else until all that are expected have, and some more for
// those that are not. One of n endpoints is missed once in e^30 times.
func (w *world) askOften(ctx context.Context, o *outcome, from *testnet.Host, p probe, v variant, to netip.AddrPort, expected string) error {
	least, most := p.flows(expected)
	for i := range most {
		if i >= least && o.String() == expected {
			return nil
		}
		if i > 0 && p.pause > 0 {
			time.Sleep(p.pause)
		}
		start := time.Now()
		echo, err := w.askAnew(ctx, from, v, to, expected)
		if p.promptly && errors.Is(err, unix.ECONNREFUSED) && time.Since(start) > 3*silence {
			o.failures[late]++
			continue
		}
		if err := w.note(o, from, echo, err); err != nil {
			return err
		}
		if o.failures[silent] > 0 {
			return nil // more of it takes long, and tells nothing
		}
	}
	return nil
}

// askAnew asks in a flow of its own.
func (w *world) askAnew(ctx context.Context, from *testnet.Host, v variant, to netip.AddrPort, expected string) (testnet.Echo, error) {
	f, err := testnet.DialFrom(ctx, v.network, w.freshPort(from, v), to, patienceFor(expected))
	if err != nil {
		return testnet.Echo{}, err
	}
	defer f.Close()
	return f.Ask(patienceFor(expected))
}

// flows are how many a probe opens, at least and at most.
func (p probe) flows(expected string) (least, most int) {
	_, _, sticks := sticky(expected)
	switch {
	case p.pause > 0 && !sticks:
		return 1, p.times
	case p.times > 0:
		return p.times, p.times
	case sticks:
		return 8, 8
	case expected == refused || expected == silent:
		return 1, 1
	}
	n := len(named(expected))
	return 4*n + 4, 30*n + 10
}

// askOn asks once more in a flow.
func (w *world) askOn(ctx context.Context, o *outcome, from *testnet.Host, name string, v variant, to netip.AddrPort, expected string) error {
	w.mu.Lock()
	f := w.flows[name]
	w.mu.Unlock()
	if f == nil {
		dialled, err := testnet.DialFrom(ctx, v.network, w.freshPort(from, v), to, patienceFor(expected))
		if err != nil {
			return w.note(o, from, testnet.Echo{}, err)
		}
		f = &flow{Flow: dialled}
		w.mu.Lock()
		w.flows[name] = f
		w.mu.Unlock()
	}
	echo, err := f.Ask(patienceFor(expected))
	if err == nil {
		f.last, echo.Host = echo, f.nameOf(echo)
	}
	return w.note(o, from, echo, err)
}

// flow is one with its last answer.
type flow struct {
	*testnet.Flow
	last testnet.Echo
}

// nameOf is who answers. One who has answered before, and now takes the client for another, is one anew: what the node
// knew of the flow has gone meanwhile.
func (f *flow) nameOf(echo testnet.Echo) string {
	if f.last.Host == echo.Host && f.last.Client != echo.Client {
		return echo.Host + " anew"
	}
	return echo.Host
}

func patienceFor(expected string) time.Duration {
	if strings.HasSuffix(expected, silent) {
		return silence
	}
	return patience
}

// note adds an answer, or that there was none, to the outcome.
func (w *world) note(o *outcome, from *testnet.Host, echo testnet.Echo, err error) error {
	var timedOut net.Error
	switch {
	case err == nil:
		o.add(w.seen(from, echo))
	case errors.Is(err, unix.ECONNREFUSED):
		o.failures[refused]++
	case errors.As(err, &timedOut) && timedOut.Timeout():
		o.failures[silent]++
	case errors.Is(err, unix.ECONNRESET):
		o.failures[reset]++
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EPERM):
		o.failures[err.Error()]++
	default:
		return err
	}
	return nil
}

// seen is who answers, and whether he saw the node instead of who asked.
func (w *world) seen(from *testnet.Host, echo testnet.Echo) (who string, masqueraded bool) {
	client := echo.Client.Addr()
	nodes := slices.Contains(w.site.NodeAddresses(), client)
	switch {
	case client == from.AddressLike(client), nodes && from == w.site.Node:
		return echo.Host, false
	case nodes:
		return echo.Host, true
	}
	return fmt.Sprintf("%s (who saw %s)", echo.Host, client), false
}
