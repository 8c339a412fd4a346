package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

var (
	start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	web   = types.NamespacedName{Namespace: "shop", Name: "web"}
	api   = types.NamespacedName{Namespace: "shop", Name: "api"}

	localhost4 = netip.MustParseAddr("127.0.0.1")
	localhost6 = netip.MustParseAddr("::1")
)

// client keeps no connection, so that each request meets the ports as they are.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

// freePort is a port that nobody has on either loopback address.
func freePort(t *testing.T) uint16 {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", port))
		first.Close()
		if err == nil {
			second.Close()
			return uint16(port)
		}
	}
	t.Fatal("there is no free port")
	return 0
}

// take takes a port from everybody else, until it is closed.
func take(t *testing.T, at netip.AddrPort) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// code is that of the answer; 0: the port is closed.
func code(at netip.AddrPort, path string) int {
	resp, err := client.Get("http://" + at.String() + path)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

var anyTime = regexp.MustCompile(`"[0-9-]+T[0-9:.]+[^"]*"`)

// answer is an answer as the recorded ones are written.
func answer(t *testing.T, at netip.AddrPort, path string) string {
	t.Helper()
	resp, err := client.Get("http://" + at.String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintln(resp.StatusCode)
	for _, h := range []string{"Content-Type", "X-Content-Type-Options", "X-Load-Balancing-Endpoint-Weight"} {
		if v := resp.Header.Get(h); v != "" {
			text += fmt.Sprintf("%s: %s\n", h, v)
		}
	}
	return text + "\n" + anyTime.ReplaceAllString(string(body), `"TIME"`) + "\n"
}

// recorded are kube-proxy's answers by what was asked for, see testdata/README.md.
func recorded(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/kube-proxy-1.36.3.txt")
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{}
	for part := range strings.SplitSeq(string(text), "== ") {
		what, answer, _ := strings.Cut(part, "\n")
		answers[what] = answer
	}
	return answers
}

// background runs something until the test ends.
func background(t *testing.T, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// until waits for something to be.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}
