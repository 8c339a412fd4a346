package webhooks

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAnErrorOfOursIsAFailedCallAndAVerdictIsNot(t *testing.T) {
	for _, tt := range []struct {
		name string
		hook http.HandlerFunc
		want int
	}{
		{"a verdict passes", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, http.StatusTeapot},
		{"an error is a failed call", func(w http.ResponseWriter, r *http.Request) {
			fail(r.Context(), errors.New("no API server"))
			w.WriteHeader(http.StatusOK)
		}, http.StatusInternalServerError},
		{"a panic is a failed call", func(http.ResponseWriter, *http.Request) { panic("bug") }, http.StatusInternalServerError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := httptest.NewRecorder()
			failOpen(tt.hook).ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
			if got.Code != tt.want {
				t.Errorf("got code %d, want %d", got.Code, tt.want)
			}
		})
	}
}
