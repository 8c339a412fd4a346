package export

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestTheLinkSaysOnceThatTheAPIServerIsAwayAndThatItIsBack(t *testing.T) {
	var said bytes.Buffer
	l := &link{say: (&voice{to: &said}).line, file: "portolan.cfg"}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	refused := errors.New("connection refused")
	for _, step := range []struct {
		name   string
		ctx    context.Context
		status int
		err    error
		want   string
	}{
		{"all is well", t.Context(), 200, nil, ""},
		{"a request is given up", ended, 0, context.Canceled, ""},
		{"one is refused for want of rights", t.Context(), 403, nil, ""},
		{"nobody answers", t.Context(), 0, refused, "the API server does not answer, and portolan.cfg stays as it is until it does: connection refused\n"},
		{"nor the next time", t.Context(), 0, refused, ""},
		{"what answers cannot serve", t.Context(), 503, nil, ""},
		{"who answers does not let in", t.Context(), 401, nil, ""},
		{"it answers", t.Context(), 200, nil, "the API server answers again\n"},
		{"and goes on to", t.Context(), 200, nil, ""},
		{"its storage is away", t.Context(), 500, nil, "the API server does not answer, and portolan.cfg stays as it is until it does: 500 oops\n"},
	} {
		said.Reset()
		transport := l.wrap(roundTripper(func(*http.Request) (*http.Response, error) {
			if step.err != nil {
				return nil, step.err
			}
			return &http.Response{StatusCode: step.status, Status: "500 oops", Body: http.NoBody}, nil
		}))
		request, err := http.NewRequestWithContext(step.ctx, http.MethodGet, "https://cluster", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, step.err) || said.String() != step.want {
			t.Errorf("%s: error %v, said %q, want %q", step.name, err, strings.TrimSpace(said.String()), step.want)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }
