package ui

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portolan-dev/portolan/internal/cli/story"
)

// Who may see the page:
//   - It is served at the loopback address, so to this machine only, and changes nothing: there is only GET.
//   - All paths begin with a secret that is made anew each time. It is no cookie: browsers would send that to whatever else
//     is served at another port of this machine.
//   - The Host header must be the address itself: a name that somebody else's DNS leads here is refused.
//   - The page has scripts and styles of its own files only, and may talk to nobody else.

//go:embed page
var files embed.FS

// policy is the Content-Security-Policy of all that is served.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

const (
	// alive is how often a stream on which nothing happens says that it is there.
	alive = 15 * time.Second
	// patience is how long a page may take to read what it is sent.
	patience = 10 * time.Second
)

// about is what does not change.
type about struct {
	// Context is that of the kubeconfig.
	Context string `json:"context"`
}

// server serves the page and what it shows.
type server struct {
	secret string
	hosts  []string
	about  about
	board  *board
	tell   func(ctx context.Context, number int32) (story.Story, error)
}

// newSecret cannot be guessed, and can be part of a path.
func newSecret() string { return rand.Text() }

// hostsOf are the Host headers of a browser that was led to the address by nobody else's DNS.
func hostsOf(addr net.Addr) []string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		panic(err) // a listener's address has a port
	}
	return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("localhost", port)}
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range map[string]string{
		"Content-Security-Policy":      policy,
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cache-Control":                "no-store",
	} {
		w.Header().Set(name, value)
	}
	if !slices.Contains(s.hosts, r.Host) {
		http.Error(w, "This is not the address of the page.", http.StatusMisdirectedRequest)
		return
	}
	secret, path, whole := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if subtle.ConstantTimeCompare([]byte(secret), []byte(s.secret)) != 1 {
		http.Error(w, "The address is that which `kubectl portolan ui` has printed, whole.", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "The page is there to be looked at.", http.StatusMethodNotAllowed)
		return
	}
	if !whole { // the page's links are relative
		http.Redirect(w, r, "/"+s.secret+"/", http.StatusMovedPermanently) //nolint:gosec // the secret is this process's own, and the caller has just said it
		return
	}
	s.serve(w, r, path)
}

func (s *server) serve(w http.ResponseWriter, r *http.Request, path string) {
	number, isStory := strings.CutPrefix(path, "story/")
	switch {
	case path == "events":
		s.events(w, r)
	case path == "about":
		writeJSON(w, s.about)
	case isStory:
		s.story(w, r, number)
	default:
		page, err := fs.Sub(files, "page")
		if err != nil {
			panic(err) // it is embedded
		}
		http.StripPrefix("/"+s.secret, http.FileServerFS(page)).ServeHTTP(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(v)) //nolint:gosec // who went away does not miss it; JSON, and said to be
}

func (s *server) story(w http.ResponseWriter, r *http.Request, text string) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		http.Error(w, "That is no port number.", http.StatusNotFound)
		return
	}
	told, err := s.tell(r.Context(), int32(n))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	writeJSON(w, told)
}

// events streams the latest snapshot, and each that comes, as server-sent events. A page that is slow misses those between.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(w)
	send := func(format string, args ...any) error {
		if err := stream.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, format, args...); err != nil { //nolint:gosec // an event stream of JSON, and said to be
			return err
		}
		return stream.Flush()
	}
	pulse := time.NewTicker(alive)
	defer pulse.Stop()
	err := send("retry: 1000\n\n")
	text, next := s.board.see()
	for news := text != nil; err == nil; {
		if news {
			err = send("event: snapshot\ndata: %s\n\n", text)
		}
		if err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-next:
			text, next = s.board.see()
			news = true
		case <-pulse.C:
			err, news = send(": here\n\n"), false
		}
	}
}
