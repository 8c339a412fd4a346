package ui

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/cli/story"
)

// served is a page of a cluster, until the test ends.
type served struct {
	*board
	// host is "127.0.0.1:PORT", url that which the verb prints.
	host, url string
}

func serving(t *testing.T, cluster *picturetest.Cluster) *served {
	t.Helper()
	listener, err := loopback(0)
	if err != nil {
		t.Fatal(err)
	}
	now := cluster.Picture().Now
	show := newBoard(func() time.Time { return now })
	show.put(cluster.Picture(), nil)
	handler := &server{
		secret: newSecret(), hosts: hostsOf(listener.Addr()), about: about{Context: "prod-eu-1"}, board: show,
		tell: func(_ context.Context, n int32) (story.Story, error) { return story.Of(show.picture(), n), nil },
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, handler) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	host := listener.Addr().String()
	return &served{board: show, host: host, url: "http://" + host + "/" + handler.secret + "/"}
}

func request(t *testing.T, method, url string, change func(*http.Request)) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

func TestOnlyThisMachineGetsToThePage(t *testing.T) {
	listener, err := loopback(0)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	addr, ok := listener.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() {
		t.Fatalf("it listens at %v", listener.Addr())
	}
	if _, err := loopback(addr.Port); err == nil || !strings.Contains(err.Error(), "choose another by --port") {
		t.Errorf("a port that is taken: %v", err)
	}
}

func TestOnlyWhoHasTheAddressSeesThePage(t *testing.T) {
	s := serving(t, small())
	root := "http://" + s.host + "/"
	_, port, _ := net.SplitHostPort(s.host)
	from := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	for _, tt := range []struct {
		name, method, url string
		change            func(*http.Request)
		want              int
	}{
		{"the address", "GET", s.url, nil, http.StatusOK},
		{"localhost", "GET", s.url, from("localhost:" + port), http.StatusOK},
		{"a file", "GET", s.url + "app.js", nil, http.StatusOK},
		{"a number", "GET", s.url + "story/30100", nil, http.StatusOK},
		{"no number", "GET", s.url + "story/web", nil, http.StatusNotFound},
		{"no such port", "GET", s.url + "story/70000", nil, http.StatusNotFound},
		{"no such file", "GET", s.url + "secrets.js", nil, http.StatusNotFound},
		{"without the last slash", "GET", strings.TrimSuffix(s.url, "/"), nil, http.StatusMovedPermanently},
		{"without the secret", "GET", root, nil, http.StatusForbidden},
		{"a file without the secret", "GET", root + "app.js", nil, http.StatusForbidden},
		{"events without the secret", "GET", root + "events", nil, http.StatusForbidden},
		{"a wrong secret", "GET", root + newSecret() + "/events", nil, http.StatusForbidden},
		{"a part of the secret", "GET", strings.TrimSuffix(s.url, "/")[:len(s.url)-3] + "/about", nil, http.StatusForbidden},
		{"a name that leads here", "GET", s.url, from("evil.example.com:" + port), http.StatusMisdirectedRequest},
		{"another port", "GET", s.url, from("127.0.0.1:1"), http.StatusMisdirectedRequest},
		{"a file that is not the page's", "GET", s.url + "..%2fserver.go", nil, http.StatusNotFound},
		{"events by a name that leads here", "GET", s.url + "events", from("evil.example.com:" + port), http.StatusMisdirectedRequest},
		{"HEAD", "HEAD", s.url, nil, http.StatusMethodNotAllowed},
		{"POST", "POST", s.url, nil, http.StatusMethodNotAllowed},
		{"DELETE", "DELETE", s.url + "story/30100", nil, http.StatusMethodNotAllowed},
		{"OPTIONS, as browsers ask for another origin", "OPTIONS", s.url + "events", nil, http.StatusMethodNotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := request(t, tt.method, tt.url, tt.change)
			if status != tt.want {
				t.Errorf("got %d: %s; want %d", status, body, tt.want)
			}
			if got := header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; script-src 'self'; style-src 'self';") {
				t.Errorf("the policy is %q", got)
			}
			if header.Get("Access-Control-Allow-Origin") != "" || header.Get("Set-Cookie") != "" || header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("it tells others: %v", header)
			}
			if got := header.Get("Cache-Control"); tt.want == http.StatusOK && got != "no-store" {
				t.Errorf("browsers may keep it: %q", got)
			}
			if tt.want != http.StatusOK && strings.Contains(body, "shop") {
				t.Errorf("it tells of the cluster: %s", body)
			}
			if secret := strings.Split(s.url, "/")[3]; tt.want != http.StatusOK && strings.Contains(body, secret) && tt.want != http.StatusMovedPermanently {
				t.Errorf("it tells the secret: %s", body)
			}
		})
	}
}

// The policy is of no use if the page does not keep to it.
func TestThePageHasNothingInlineAndNothingOfElsewhere(t *testing.T) {
	entries, err := files.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := files.ReadFile("page/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"style=", "onclick=", "onload=", "<style", "javascript:", "innerHTML", "eval(", "src=\"http", "href=\"http", "url(http", "@import", "//cdn"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s has %s", entry.Name(), bad)
			}
		}
	}
}

// listen returns what comes on a stream of events.
func listen(t *testing.T, url string) <-chan snapshot {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"events", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("it is %s", got)
	}
	came := make(chan snapshot)
	go func() {
		defer close(came)
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var s snapshot
				if json.Unmarshal([]byte(text), &s) != nil {
					return
				}
				select {
				case came <- s:
				case <-t.Context().Done():
					return
				}
			}
		}
	}()
	return came
}

func next(t *testing.T, came <-chan snapshot) snapshot {
	t.Helper()
	select {
	case s, ok := <-came:
		if !ok {
			t.Fatal("the stream has ended")
		}
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

func TestASnapshotComesAtOnceAndWhenSomethingHasChanged(t *testing.T) {
	cluster := small()
	s := serving(t, cluster)
	came := listen(t, s.url)
	first := next(t, came)
	if strings.Contains(string(first.Model), "shop/later") || first.Stale != "" {
		t.Errorf("the first one is %s", first.Model)
	}
	s.put(cluster.Picture(), nil) // not heard of: nothing has changed
	s.put(cluster.Bound(30150, "shop/later").Picture(), nil)
	if second := next(t, came); !strings.Contains(string(second.Model), `"n":30150,"state":"InUse","ns":"shop","svc":"later"`) {
		t.Errorf("the second one is %s", second.Model)
	}
	s.put(cluster.Picture(), errors.New("the API server does not answer"))
	if third := next(t, came); third.Stale != "the API server does not answer" {
		t.Errorf("the third one is stale because of %q", third.Stale)
	}
}

func TestAgesAreCountedFromWhenThePageIsOpened(t *testing.T) {
	cluster := small()
	clock := testingclock.NewFakePassiveClock(cluster.Picture().Now)
	show := newBoard(clock.Now)
	show.put(cluster.Picture(), nil)
	later := cluster.Picture().Now.Add(time.Hour)
	clock.SetTime(later) // and nothing has changed meanwhile
	text, _ := show.see()
	var sent snapshot
	if err := json.Unmarshal(text, &sent); err != nil || !sent.Now.Equal(later) {
		t.Errorf("it is sent as of %v, error %v, want %v", sent.Now, err, later)
	}
}

func TestTheStoryIsThatOfTheVerbWho(t *testing.T) {
	s := serving(t, small())
	_, _, body := request(t, http.MethodGet, s.url+"story/30102", nil)
	want := string(encode(story.Of(small().Picture(), 30102)))
	if body != want {
		t.Errorf("got %s, want %s", body, want)
	}
}

func TestAStreamEndsWithWhoListens(t *testing.T) {
	show := newBoard(time.Now)
	show.put(small().Picture(), nil)
	ended := make(chan struct{})
	handler := &server{secret: newSecret(), board: show}
	page := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		handler.ServeHTTP(w, r)
	}))
	handler.hosts = hostsOf(page.Listener.Addr())
	page.Start()
	t.Cleanup(page.Close)
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, page.URL+"/"+handler.secret+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	response.Body.Close()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("it goes on, to nobody")
	}
}

func TestStreamsEndWithTheVerb(t *testing.T) {
	listener, err := loopback(0)
	if err != nil {
		t.Fatal(err)
	}
	show := newBoard(time.Now)
	show.put(small().Picture(), nil)
	handler := &server{secret: newSecret(), hosts: hostsOf(listener.Addr()), board: show}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, handler) }()
	came := listen(t, "http://"+listener.Addr().String()+"/"+handler.secret+"/")
	next(t, came)
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it goes on")
	}
	if s, ok := <-came; ok {
		t.Errorf("the stream goes on: %s", s.Model)
	}
}

func TestAPortThatThereIsNotIsRefusedWithTheRange(t *testing.T) {
	for _, port := range []int{-1, 65536, 99999} {
		if err := run(t.Context(), nil, options{port: port}); err == nil || !strings.Contains(err.Error(), "a port is a number from 1 to 65535") {
			t.Errorf("%d: %v", port, err)
		}
	}
}
