package webhooks

import (
	"net/http"
	"net/http/httptest"
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
