package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
)

// link is the way to the API server of who follows a cluster: it tells that something has changed, and whether the way is
// open. It is safe for concurrent use.
type link struct {
	// changed holds one ring: what follows another before it is heard adds nothing.
	changed chan struct{}

	mu   sync.Mutex // guards what follows
	away error      // the API server does not answer
	no   error      // it does not let the caller watch
}

func newLink() *link { return &link{changed: make(chan struct{}, 1)} }

func (l *link) ring() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// trouble says why nothing may come any more; nil: it will.
func (l *link) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.away, l.no)
}

// refused is as of toolscache.WatchErrorHandlerWithContext. It waits for what a caller may not watch: rights come back
// seldom while somebody looks on.
func (l *link) refused(_ context.Context, _ *toolscache.Reflector, err error) {
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.no = fmt.Errorf("%w; start again to see what you still may", err)
	l.ring()
}

// wrap has the link see what a transport does.
func (l *link) wrap(transport http.RoundTripper) http.RoundTripper {
	return Overheard(transport, l.set)
}

// set rings only where the API server goes away or comes back.
func (l *link) set(away error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	news := (l.away == nil) != (away == nil)
	if l.away = nil; away != nil {
		l.away = fmt.Errorf("the API server does not answer: %w", away)
	}
	if news {
		l.ring()
	}
}

// Overheard is a transport whose requests tell whether the API server answers: nil, or why it does not. A request that this
// side has given up tells nothing, and neither does a refusal.
func Overheard(transport http.RoundTripper, tell func(away error)) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := transport.RoundTrip(request)
		switch {
		case err != nil && request.Context().Err() != nil:
		case err != nil:
			tell(err)
		case response.StatusCode >= http.StatusInternalServerError:
			tell(errors.New(response.Status))
		case response.StatusCode < http.StatusMultipleChoices:
			tell(nil)
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip is as of http.RoundTripper.
func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }
