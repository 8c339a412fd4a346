package localhost

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a connection by its two ends.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near, far = a.(*net.TCPConn), b.(*net.TCPConn)
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	if err := near.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// relayed are the far ends of a relay, and what ends it.
type relayed struct {
	client, server *net.TCPConn
	cancel         context.CancelFunc
	done           chan struct{}
}

func newRelay(t *testing.T, lingering time.Duration) relayed {
	client, a := pair(t)
	server, b := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := relayed{client, server, cancel, make(chan struct{})}
	go func() {
		defer close(r.done)
		relay(ctx, a, b, lingering)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

func (r relayed) wantEnd(t *testing.T) {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(soon):
		t.Error("the relay does not end")
	}
}

func wantEOF(t *testing.T, c *net.TCPConn, before string) {
	t.Helper()
	if text, err := io.ReadAll(c); err != nil || string(text) != before {
		t.Errorf("%q comes, error %v; want %q", text, err, before)
	}
}

func TestARelayEndsWhenBothEndsHaveSaidAll(t *testing.T) {
	r := newRelay(t, time.Hour)
	_, _ = io.WriteString(r.client, "question")
	_ = r.client.CloseWrite()
	wantEOF(t, r.server, "question")
	_, _ = io.WriteString(r.server, "answer")
	_ = r.server.CloseWrite()
	wantEOF(t, r.client, "answer")
	r.wantEnd(t)
}

func TestAResetIsPassedOn(t *testing.T) {
	for name, ends := range map[string]func(relayed) (breaks, sees *net.TCPConn){
		"by the client": func(r relayed) (*net.TCPConn, *net.TCPConn) { return r.client, r.server },
		"by the server": func(r relayed) (*net.TCPConn, *net.TCPConn) { return r.server, r.client },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, time.Hour)
			breaks, sees := ends(r)
			reset(breaks)
			wantReset(t, sees)
			r.wantEnd(t)
		})
	}
}

func TestAClientThatHasGoneEndsAnAnswer(t *testing.T) {
	r := newRelay(t, time.Hour)
	r.client.Close()
	var err error
	for err == nil { // the deadline ends it otherwise
		_, err = io.WriteString(r.server, "more and more")
	}
	if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("%v, want the connection to be reset", err)
	}
	r.wantEnd(t)
}

func TestAnEndThatStaysSilentAfterTheOtherHasClosedIsNotWaitedForForever(t *testing.T) {
	r := newRelay(t, 50*time.Millisecond)
	_ = r.client.CloseWrite()
	wantReset(t, r.client)
	r.wantEnd(t)
}

func TestARelayEndsWithItsContext(t *testing.T) {
	r := newRelay(t, time.Hour)
	r.cancel()
	wantReset(t, r.client)
	wantReset(t, r.server)
	r.wantEnd(t)
}
