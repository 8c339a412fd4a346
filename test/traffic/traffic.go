// Package traffic keeps asking what answers on a demo cluster, and says what got no answer.
package traffic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/test/cluster"
)

// Stream is requests that follow one another from a place to an address, until it is stopped.
type Stream struct {
	What string
	// Send sends one, and returns why there was no answer.
	Send func(context.Context) error
	// Within is how long an answer may take; 0: AnswerWithin.
	Within time.Duration
	// Longest is what a request has taken at most; to be read when the stream has been stopped.
	Longest time.Duration

	count int
	errs  []error
}

// AnswerWithin is how long an answer may take where nothing else is said.
const AnswerWithin = 2 * time.Second

// Start sends all of them side by side. stop returns when they have ended; a test may call it once.
func Start(t *testing.T, all []*Stream) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, one := range all {
		wg.Go(func() { one.run(ctx) })
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// run keeps the first errors: a way that is closed has very many.
func (one *Stream) run(ctx context.Context) {
	for ctx.Err() == nil {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(one.Within, AnswerWithin))
		began := time.Now()
		err := one.Send(within)
		cancel()
		one.count, one.Longest = one.count+1, max(one.Longest, time.Since(began))
		if err != nil && len(one.errs) < 5 {
			one.errs = append(one.errs, fmt.Errorf("request %d: %w", one.count, err))
		}
	}
}

// WantAllAnswered wants a good many requests of each kind, and an answer to each.
func WantAllAnswered(t *testing.T, all []*Stream) {
	t.Helper()
	for _, one := range all {
		t.Logf("%s: %d requests", one.What, one.count)
		if one.count < 20 {
			t.Errorf("%s: only %d requests", one.What, one.count)
		}
		if err := errors.Join(one.errs...); err != nil {
			t.Errorf("%s: %v", one.What, err)
		}
	}
}

// Connecting asks over a connection that is new each time.
func Connecting(from *cluster.Machine, address string) *Stream {
	client := &http.Client{Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}
	return &Stream{What: fmt.Sprintf("new connections from %s to %s", from.Name, address), Send: Asking(client, address)}
}

// Connected asks over one connection all the time.
func Connected(t *testing.T, from *cluster.Machine, address string) *Stream {
	dials := 0
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials > 1 {
			return nil, errors.New("the connection has ended")
		}
		return from.DialContext(ctx, network, address)
	}}}
	t.Cleanup(client.CloseIdleConnections)
	return &Stream{What: fmt.Sprintf("one connection from %s to %s", from.Name, address), Send: Asking(client, address)}
}

// Asking asks by a client.
func Asking(client *http.Client, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
}

// Datagrams asks from a socket that is new each time.
func Datagrams(from *cluster.Machine, address string) *Stream {
	return &Stream{
		What: fmt.Sprintf("new UDP flows from %s to %s", from.Name, address),
		Send: func(ctx context.Context) error {
			conn, err := from.DialContext(ctx, "udp", address)
			if err != nil {
				return err
			}
			defer conn.Close()
			return exchange(ctx, conn)
		},
	}
}

// DatagramFlow asks from one socket all the time.
func DatagramFlow(t *testing.T, from *cluster.Machine, address string) *Stream {
	t.Helper()
	conn, err := from.DialContext(t.Context(), "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &Stream{
		What: fmt.Sprintf("one UDP flow from %s to %s", from.Name, address),
		Send: func(ctx context.Context) error { return exchange(ctx, conn) },
	}
}

func exchange(ctx context.Context, conn net.Conn) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("?")); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 2048))
	return err
}

// Paced is a stream of a hundred requests a second at most: in tests that take a minute, new connections as fast as they can
// be would use up all of the client's ports.
func Paced(t *testing.T, one *Stream) *Stream {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	t.Cleanup(tick.Stop)
	send := one.Send
	one.Send = func(ctx context.Context) error {
		<-tick.C
		return send(ctx)
	}
	return one
}
