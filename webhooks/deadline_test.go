package webhooks

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func TestAWebhookGivesUpBeforeTheAPIServerDoes(t *testing.T) {
	for _, tt := range []struct {
		query string
		want  time.Duration
	}{
		{"?timeout=3s", 2 * time.Second},
		{"?timeout=30s", 20 * time.Second},
		{"?timeout=1s", time.Second * 2 / 3},
		{"", 2 * time.Second},
		{"?timeout=soon", 2 * time.Second},
		{"?timeout=-1s", 2 * time.Second},
	} {
		before := time.Now()
		var got time.Time
		hook := timely(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = r.Context().Deadline() }))
		hook.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mutate"+tt.query, nil))
		if got.Before(before.Add(tt.want)) || got.After(time.Now().Add(tt.want)) {
			t.Errorf("%q: it gives up after %v, want %v", tt.query, got.Sub(before), tt.want)
		}
	}
}

// FuzzAWebhookAlwaysHasSomeTime reads whatever the query may say.
func FuzzAWebhookAlwaysHasSomeTime(f *testing.F) {
	for _, seed := range []string{"timeout=3s", "timeout=", "timeout=-1s", "timeout=1ns", "timeout=2562047h", "timeout=9999999h", "%", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}}
		given, whole := patience(r), timeoutOf(r)
		if given <= 0 || given > whole {
			t.Errorf("%q: it has %v of %v", query, given, whole)
		}
	})
}
