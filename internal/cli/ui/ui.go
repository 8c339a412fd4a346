// Package ui is the verb ui: a page on this machine's own address that shows the whole range of node ports, live.
package ui

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/cli/story"
)

// kinds are what the page shows. Endpoints are read with a number's story.
var kinds = []picture.Kind{
	picture.Pools, picture.Allocations, picture.Services, picture.Reservations, picture.Usages, picture.Accesses,
	picture.NodeStates, picture.Namespaces,
}

// parting is how long requests may take to end once the verb does.
const parting = time.Second

type options struct {
	port    int
	browser bool
}

// New is the verb.
func New(s *session.Session) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "ui",
		Short: "Serve a page that shows the node ports live, to you alone",
		Long: `Serve a page that shows the node ports: the whole range as a map that keeps in
step with the cluster, the story of each number, and the use of each pool. It
can be searched, and filtered by namespace, pool and state, with a mouse or by
the keyboard.

The page shows what your kubeconfig lets you see, and changes nothing. It is
served at 127.0.0.1 only, to whoever has the address that is printed: there is a
secret in it. Ctrl-C ends it.

The page of another machine can be looked at through
ssh -t -L 8001:127.0.0.1:8001.`,
		Example: `  # Print the address of the page
  kubectl portolan ui

  # Open it in the browser
  kubectl portolan ui --browser

  # At a port of your choice
  kubectl portolan ui --port 8001`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().IntVar(&o.port, "port", 0, "The `port` of the page. (default one that is free)")
	cmd.Flags().BoolVar(&o.browser, "browser", false, "Open the page in the browser. Other users of the machine may see the address among its processes.")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, o) }
	return cmd
}

func run(ctx context.Context, s *session.Session, o options) error {
	if o.port < 0 || o.port > 65535 {
		return fmt.Errorf("--port %d: a port is a number from 1 to 65535; without --port one that is free is taken", o.port)
	}
	listener, err := loopback(o.port)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	show := newBoard(s.Now)
	ended := make(chan error, 2)
	go func() { ended <- s.Follow(ctx, show.put, kinds...) }()
	select {
	case <-show.ready():
	case err := <-ended:
		listener.Close()
		return err
	}
	handler := &server{
		secret: newSecret(),
		hosts:  hostsOf(listener.Addr()),
		about:  about{Context: contextOf(s)},
		board:  show,
		tell:   teller(s, show),
	}
	go func() { ended <- serve(ctx, listener, handler) }()
	url := fmt.Sprintf("http://%s/%s/", listener.Addr(), handler.secret)
	fmt.Fprintln(s.Out, url)
	fmt.Fprintln(s.ErrOut, "Whoever has that address sees what you may see. Ctrl-C ends it.")
	if o.browser {
		if err := browse(url); err != nil {
			fmt.Fprintf(s.ErrOut, "No browser could be opened (%v): open the address yourself.\n", err)
		}
	}
	err = <-ended
	cancel()
	return errors.Join(err, <-ended)
}

// loopback listens where only this machine gets to; port 0: at one that is free.
func loopback(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("%w; choose another by --port, or none for one that is free", err)
	}
	return listener, nil
}

// serve serves until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends streams of events
	}
	stop := context.AfterFunc(ctx, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
		defer cancel()
		if server.Shutdown(ending) != nil {
			server.Close()
		}
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// teller tells the story of a number as it is now, with its endpoints.
func teller(s *session.Session, show *board) func(context.Context, int32) (story.Story, error) {
	var mu sync.Mutex // a session is for one at a time
	return func(ctx context.Context, n int32) (story.Story, error) {
		mu.Lock()
		defer mu.Unlock()
		p, err := s.WithEndpoints(ctx, picture.New(show.picture().Objects, s.Now()), n)
		if err != nil {
			return story.Story{}, err
		}
		return story.Of(p, n), nil
	}
}

// contextOf is the name of the kubeconfig's context, for people who have several; "": it has none.
func contextOf(s *session.Session) string {
	if s.ConfigFlags.Context != nil && *s.ConfigFlags.Context != "" {
		return *s.ConfigFlags.Context
	}
	config, err := s.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return ""
	}
	return config.CurrentContext
}

// browse opens an address in the browser of whoever is logged in.
func browse(url string) error {
	program, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		program = "open"
	case "windows":
		program, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	cmd := exec.Command(program, args...) //nolint:gosec // one of the three above, and the address is our own
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // what becomes of it is seen on the screen
	return nil
}
