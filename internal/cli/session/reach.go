package session

import (
	"context"
	"errors"
	"net/http"
	"sync"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// reach is the way to the API server until it first answers. Where it does not, verbs that ask for ten kinds would wait ten
// times, some of them one after the other: what has not been answered once is not asked again. It is safe for concurrent use.
type reach struct {
	mu       sync.Mutex // guards what follows
	answered bool
	silence  error // why nobody answers
}

// throughout has all of a configuration's requests go this way.
func (r *reach) throughout(config *rest.Config) *rest.Config {
	config.Wrap(r.wrap)
	return config
}

func (r *reach) wrap(transport http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if err := r.closed(); err != nil {
			if request.Body != nil {
				request.Body.Close()
			}
			return nil, err
		}
		response, err := transport.RoundTrip(request)
		r.learn(request.Context(), err)
		return response, err
	})
}

func (r *reach) closed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answered {
		return nil
	}
	return r.silence
}

func (r *reach) learn(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.answered = true
	case r.silence == nil && !errors.Is(ctx.Err(), context.Canceled) && !passing(err):
		r.silence = err
	}
}

// passing: a connection was there, and broke, as one does that is being closed. client-go asks again then.
func passing(err error) bool {
	return utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
}
