package export

import (
	"net/http"
	"sync"
)

// link watches the requests to the API server, and says, once each time, that it is away and that it is back.
type link struct {
	say  func(format string, args ...any)
	file string

	mu   sync.Mutex // guards away
	away bool
}

// wrap has the link see what a transport does.
func (l *link) wrap(transport http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := transport.RoundTrip(request)
		switch {
		case err != nil && request.Context().Err() != nil: // given up by this side
		case err != nil:
			l.lost(err.Error())
		case response.StatusCode >= http.StatusInternalServerError:
			l.lost(response.Status)
		case response.StatusCode < http.StatusMultipleChoices:
			l.found()
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip is as of http.RoundTripper.
func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

func (l *link) lost(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.away {
		l.away = true
		l.say("the API server does not answer, and %s stays as it is until it does: %s", l.file, why)
	}
}

func (l *link) found() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		l.away = false
		l.say("the API server answers again")
	}
}
