package knock

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func addressOf(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

func TestAConnectionThatIsThereIsOKAndTellsHowLongItTook(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"pod":"one"}`)) }))
	defer server.Close()
	door := Door{Address: addressOf(server.Listener.Addr()), Protocol: "TCP"}
	asking := door
	asking.HTTP = "/"
	got := At(t.Context(), []Door{door, asking}, 10*time.Second, 1)
	for i, pod := range []string{"", "one"} {
		if a := got[i]; a.Outcome != OK || a.Took <= 0 || a.Pod != pod || a.Source.String() != "127.0.0.1" {
			t.Errorf("got %+v, want pod %q", a, pod)
		}
	}
}

func TestAPortThatNobodyHasRefuses(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	door := Door{Address: addressOf(listener.Addr()), Protocol: "TCP"}
	listener.Close()
	if got := At(t.Context(), []Door{door}, 10*time.Second, 1)[0]; got.Outcome != Refused || got.Detail == "" {
		t.Errorf("got %+v", got)
	}
}

func TestADatagramThatComesBackIsOKAndOneThatDoesNotTimesOut(t *testing.T) {
	echo, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	go func() {
		text := make([]byte, 100)
		if _, from, err := echo.ReadFrom(text); err == nil {
			_, _ = echo.WriteTo([]byte(`{"hostname":"two"}`), from)
		}
	}()
	ask := func(to net.PacketConn, payload string, within time.Duration) Answer {
		return At(t.Context(), []Door{{Address: addressOf(to.LocalAddr()), Protocol: "UDP", Payload: payload}}, within, 1)[0]
	}
	if got := ask(echo, "?", 10*time.Second); got.Outcome != OK || got.Pod != "two" {
		t.Errorf("got %+v", got)
	}
	if got := ask(silent, "?", 50*time.Millisecond); got.Outcome != TimedOut {
		t.Errorf("got %+v", got)
	}
	if got := ask(silent, "", 50*time.Millisecond); got.Outcome != Unknown {
		t.Errorf("without a payload: got %+v", got)
	}
}

func TestNoMoreThanSoManyAreTriedAtATimeAndTheOrderStays(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	there := addressOf(server.Listener.Addr())
	var doors []Door
	for range 50 {
		doors = append(doors, Door{Address: there, Protocol: "TCP"}, Door{Address: there, Protocol: "SCTP"})
	}
	for i, a := range At(t.Context(), doors, 10*time.Second, 4) {
		if want := []Outcome{OK, Unknown}[i%2]; a.Outcome != want || a.Door != doors[i] {
			t.Fatalf("%d: got %+v, want %s", i, a, want)
		}
	}
}

func TestWhoGivesUpDoesNotWait(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := At(ctx, []Door{{Address: netip.MustParseAddrPort("192.0.2.1:9"), Protocol: "TCP"}}, time.Hour, 1)
	if got[0].Outcome == OK {
		t.Errorf("got %+v", got)
	}
}

func TestDoorsThatCannotBeReadAreAnError(t *testing.T) {
	if _, err := ParseDoors(strings.NewReader(`[{"address":"nowhere"}]`)); err == nil {
		t.Error("no error")
	}
}
