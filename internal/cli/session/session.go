// Package session is what every verb of kubectl portolan works with: the flags that they share, the streams, and the cluster
// that the flags lead to, with the caller's own rights.
package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// ErrFindings ends a verb that did its work, found what should not be, and has said what: exit code 1, and no message.
var ErrFindings = errors.New("there are findings")

// Session is one run of the program. It is not safe for concurrent use.
type Session struct {
	*genericclioptions.ConfigFlags
	genericiooptions.IOStreams
	// Clock tells the time.
	Clock clock.PassiveClock
	// Getenv reads the environment.
	Getenv func(string) string

	client        client.WithWatch // once it is made
	colour        term.When
	nodePortRange string
}

// New is a session before its flags are read. getenv reads the environment: os.Getenv.
func New(streams genericiooptions.IOStreams, clock clock.PassiveClock, getenv func(string) string) *Session {
	return &Session{
		ConfigFlags: genericclioptions.NewConfigFlags(true).WithWrapConfigFn((&reach{}).throughout),
		IOStreams:   streams,
		Clock:       clock,
		Getenv:      getenv,
		colour:      term.Auto,
	}
}

// AddFlags adds the flags that all verbs have.
func (s *Session) AddFlags(flags *pflag.FlagSet) {
	s.ConfigFlags.AddFlags(flags)
	flags.Var(&s.colour, "color", "When to colour: auto (on a terminal, unless NO_COLOR is set), always or never.")
	flags.StringVar(&s.nodePortRange, "service-node-port-range", "",
		"The API server's node port `range`, where no pool says it in its status and it is not 30000-32767.")
}

// Screen is that of the standard output.
func (s *Session) Screen() term.Screen { return term.NewScreen(s.Out, s.colour, s.Getenv) }

// Remark says on the error stream, in lines that fit the screen, what there is to add to the output; "" is nothing.
func (s *Session) Remark(text string) {
	if text == "" {
		return
	}
	for _, line := range term.Wrap(text, s.Screen().Width) {
		fmt.Fprintln(s.ErrOut, line)
	}
}

// Now is the time.
func (s *Session) Now() time.Time { return s.Clock.Now() }

// Namespace is that of -n, else of the kubeconfig's context, else default. given: it was said by -n.
func (s *Session) Namespace() (namespace string, given bool, err error) {
	namespace, _, err = s.ToRawKubeConfigLoader().Namespace()
	return namespace, s.ConfigFlags.Namespace != nil && *s.ConfigFlags.Namespace != "", misconfigured(err)
}
