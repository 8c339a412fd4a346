package session

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
)

func TestAnAPIServerThatHasNeverAnsweredIsNotAskedAgain(t *testing.T) {
	unreachable := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	ended, end := context.WithCancel(t.Context())
	end()
	for _, tt := range []struct {
		name  string
		ctx   context.Context
		first error
		asked int // of two times
	}{
		{"it answers", t.Context(), nil, 2},
		{"no connection", t.Context(), unreachable, 1},
		{"no answer in time", t.Context(), context.DeadlineExceeded, 1},
		{"a connection that is reset", t.Context(), &net.OpError{Op: "read", Err: syscall.ECONNRESET}, 2},
		{"given up by this side", ended, unreachable, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			way := (&reach{}).wrap(roundTripper(func(*http.Request) (*http.Response, error) {
				asked++
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, tt.first
			}))
			for range 2 {
				request, err := http.NewRequestWithContext(tt.ctx, http.MethodGet, "http://api.example.com", nil)
				if err != nil {
					t.Fatal(err)
				}
				response, err := way.RoundTrip(request)
				if response != nil {
					response.Body.Close()
				}
				if !errors.Is(err, tt.first) {
					t.Errorf("got %v, want %v", err, tt.first)
				}
			}
			if asked != tt.asked {
				t.Errorf("asked %d times, want %d", asked, tt.asked)
			}
		})
	}
}

func TestAnAPIServerThatHasAnsweredOnceIsAskedAgain(t *testing.T) {
	var answer error
	asked := 0
	way := (&reach{}).wrap(roundTripper(func(*http.Request) (*http.Response, error) {
		asked++
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, answer
	}))
	for _, answer = range []error{nil, context.DeadlineExceeded, nil} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := way.RoundTrip(request)
		if response != nil {
			response.Body.Close()
		}
		if !errors.Is(err, answer) {
			t.Errorf("got %v, want %v", err, answer)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
}
