package e2e

import (
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

// traffic is requests that follow one another from a place to an address, until it is stopped.
type traffic struct {
	what string
	send func(context.Context) error

	count int
	errs  []error
}

const answerWithin = 2 * time.Second

// startTraffic sends all of them side by side. stop returns when they have ended; a test may call it once.
func startTraffic(t *testing.T, all []*traffic) (stop func()) {
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
func (one *traffic) run(ctx context.Context) {
	for ctx.Err() == nil {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		err := one.send(within)
		cancel()
		one.count++
		if err != nil && len(one.errs) < 5 {
			one.errs = append(one.errs, fmt.Errorf("request %d: %w", one.count, err))
		}
	}
}

// wantAllAnswered wants a good many requests of each kind, and an answer to each.
func wantAllAnswered(t *testing.T, all []*traffic) {
	t.Helper()
	for _, one := range all {
		t.Logf("%s: %d requests", one.what, one.count)
		if one.count < 20 {
			t.Errorf("%s: only %d requests", one.what, one.count)
		}
		if err := errors.Join(one.errs...); err != nil {
			t.Errorf("%s: %v", one.what, err)
		}
	}
}

// connecting asks over a connection that is new each time.
func connecting(from *cluster.Machine, address string) *traffic {
	client := &http.Client{Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}
	return &traffic{what: fmt.Sprintf("new connections from %s to %s", from.Name, address), send: asking(client, address)}
}

// connected asks over one connection all the time.
func connected(t *testing.T, from *cluster.Machine, address string) *traffic {
	dials := 0
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials > 1 {
			return nil, errors.New("the connection has ended")
		}
		return from.DialContext(ctx, network, address)
	}}}
	t.Cleanup(client.CloseIdleConnections)
	return &traffic{what: fmt.Sprintf("one connection from %s to %s", from.Name, address), send: asking(client, address)}
}

func asking(client *http.Client, address string) func(context.Context) error {
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

// datagrams asks from a socket that is new each time.
func datagrams(from *cluster.Machine, address string) *traffic {
	return &traffic{
		what: fmt.Sprintf("new UDP flows from %s to %s", from.Name, address),
		send: func(ctx context.Context) error {
			conn, err := from.DialContext(ctx, "udp", address)
			if err != nil {
				return err
			}
			defer conn.Close()
			return exchange(ctx, conn)
		},
	}
}

// datagramFlow asks from one socket all the time.
func datagramFlow(t *testing.T, from *cluster.Machine, address string) *traffic {
	t.Helper()
	conn, err := from.DialContext(t.Context(), "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &traffic{
		what: fmt.Sprintf("one UDP flow from %s to %s", from.Name, address),
		send: func(ctx context.Context) error { return exchange(ctx, conn) },
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
