package export

import (
	"net/http"
	"sync"

	"github.com/portolan-dev/portolan/internal/cli/session"
)

// link hears of the requests to the API server, and says, once each time, that it is away and that it is back.
type link struct {
	say  func(format string, args ...any)
	file string

	mu   sync.Mutex // guards away
	away bool
}

// wrap has the link hear what a transport does.
func (l *link) wrap(transport http.RoundTripper) http.RoundTripper {
	return session.Overheard(transport, l.set)
}

// set takes in whether the API server answers; nil: it does.
func (l *link) set(away error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.away
	switch l.away = away != nil; {
	case l.away && !before:
		l.say("the API server does not answer, and %s stays as it is until it does: %s", l.file, away)
	case before && !l.away:
		l.say("the API server answers again")
	}
}
