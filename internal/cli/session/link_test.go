package session

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestALinkRingsWhenTheAPIServerGoesAwayAndComesBack(t *testing.T) {
	l := newLink()
	var answer func() (*http.Response, error)
	transport := l.wrap(roundTripper(func(*http.Request) (*http.Response, error) { return answer() }))
	answers := map[string]func() (*http.Response, error){
		"ok":   func() (*http.Response, error) { return &http.Response{StatusCode: 200, Body: http.NoBody}, nil },
		"gone": func() (*http.Response, error) { return &http.Response{StatusCode: 410, Body: http.NoBody}, nil },
		"not ready": func() (*http.Response, error) {
			return &http.Response{StatusCode: 503, Status: "503", Body: http.NoBody}, nil
		},
		"refused": func() (*http.Response, error) { return nil, errors.New("connection refused") },
	}
	for i, step := range []struct {
		answer  string
		rings   bool
		trouble string
	}{
		{"ok", false, ""}, {"gone", false, ""}, {"refused", true, "connection refused"}, {"not ready", false, "503"}, {"gone", false, "503"},
		{"ok", true, ""}, {"ok", false, ""},
	} {
		answer = answers[step.answer]
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := transport.RoundTrip(request); err == nil {
			response.Body.Close()
		}
		rings := false
		select {
		case <-l.changed:
			rings = true
		default:
		}
		trouble := ""
		if err := l.trouble(); err != nil {
			trouble = err.Error()
		}
		if rings != step.rings || (trouble == "") != (step.trouble == "") || !strings.Contains(trouble, step.trouble) {
			t.Errorf("step %d, %s: rings %v, trouble %q; want %v, %q", i, step.answer, rings, trouble, step.rings, step.trouble)
		}
	}
}

func TestWhatMayNotBeWatchedAnyMoreIsSaidUntilTheEnd(t *testing.T) {
	l := newLink()
	l.refused(t.Context(), nil, errors.New("too old resource version")) // of no consequence: it is listed again
	if err := l.trouble(); err != nil {
		t.Errorf("it says %v", err)
	}
	l.refused(t.Context(), nil, forbidden())
	l.set(nil)
	if err := l.trouble(); err == nil || !strings.Contains(err.Error(), "no right") {
		t.Errorf("it says %v", err)
	}
}
