package doctor

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// New is the verb.
func New(s *session.Session) *cobra.Command {
	var format session.Output
	namespace := ""
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether the installation is healthy, and what mends it",
		Long: `Look whether Portolan works as it should: its kinds, the manager, the webhooks
and their certificate, the policy that holds while Portolan is away, nodes, and
who may reach node ports; and what is wrong with numbers: conflicts, clashes,
leaks, pools that are full.

Each finding says what it means, with the command that mends it or what to look
at next. What is wrong is "trouble", and the exit code is 1; a "notice" may well
be on purpose.

It changes nothing. Whether the webhooks answer it finds out by the dry run of a
Service in the namespace (-n), for which you need the right to create Services
there. What you may not look at it names.`,
		Example: `  # How is Portolan?
  kubectl portolan doctor

  # For a program; exit code 1 says that there is trouble
  kubectl portolan doctor -o json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	format.AddTo(cmd, "a list of check, summary, findings (severity, object, says, commands) and unseen")
	session.ManagerNamespace(cmd.Flags(), &namespace)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return run(cmd, s, format, namespace) }
	return cmd
}

func run(cmd *cobra.Command, s *session.Session, format session.Output, namespace string) error {
	c, err := load(cmd, s, namespace)
	if err != nil {
		return err
	}
	results := Examine(c)
	if !format.IsTable() {
		err = s.Encode(format, results)
	} else {
		_, err = fmt.Fprint(s.Out, text(results, s.Screen()))
	}
	if err == nil && Troubled(results) {
		err = session.ErrFindings
	}
	return err
}

// load reads the installation, and the cluster's node ports where all of Portolan's kinds are there.
func load(cmd *cobra.Command, s *session.Session, namespace string) (*Cluster, error) {
	client, err := s.Client()
	if err != nil {
		return nil, err
	}
	own, _, err := s.Namespace()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Picture: picture.New(picture.Objects{}, s.Now())}
	defer term.Progress(s.ErrOut, "Looking at the installation")()
	r := reader{client, namespace, own, s.Clock}
	if err := r.install(cmd.Context(), c); err != nil {
		return nil, err
	}
	if found := c.Definitions.Object; found != nil && len(*found) < len(c.Wanted) {
		return c, nil // what can be said of kinds that are not there is said of these
	}
	c.Picture, err = s.Load(cmd.Context(), picture.Pools, picture.Allocations, picture.Services, picture.Reservations,
		picture.Accesses, picture.NodeStates, picture.Namespaces, picture.Nodes)
	if err != nil {
		return nil, err
	}
	return c, r.again(cmd.Context(), c, second)
}
