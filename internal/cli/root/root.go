// Package root puts the verbs of kubectl portolan together.
package root

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/internal/cli/check"
	"github.com/portolan-dev/portolan/internal/cli/doctor"
	"github.com/portolan-dev/portolan/internal/cli/explain"
	"github.com/portolan-dev/portolan/internal/cli/export"
	"github.com/portolan-dev/portolan/internal/cli/lint"
	"github.com/portolan-dev/portolan/internal/cli/list"
	"github.com/portolan-dev/portolan/internal/cli/move"
	"github.com/portolan-dev/portolan/internal/cli/portmap"
	"github.com/portolan-dev/portolan/internal/cli/premises"
	"github.com/portolan-dev/portolan/internal/cli/release"
	"github.com/portolan-dev/portolan/internal/cli/reserve"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/cli/ui"
	"github.com/portolan-dev/portolan/internal/cli/version"
	"github.com/portolan-dev/portolan/internal/cli/who"
)

// Exit codes.
const (
	exitFindings = 1
	exitTrouble  = 2
)

// Run runs the program, of a version, with its arguments (without its name) and returns the exit code: 0; 1 where a verb has findings; 2 for
// wrong usage and for trouble on the way, which it says on the error stream.
func Run(ctx context.Context, own string, streams genericiooptions.IOStreams, args []string) int {
	streams.Out, streams.ErrOut = &term.Guarded{Stream: streams.Out}, &term.Guarded{Stream: streams.ErrOut}
	cmd := New(session.New(streams, clock.RealClock{}, os.Getenv), own)
	cmd.SetArgs(args)
	switch err := cmd.ExecuteContext(ctx); {
	case err == nil:
		return 0
	case errors.Is(err, session.ErrFindings), errors.Is(err, premises.ErrFindings):
		return exitFindings
	default:
		fmt.Fprintln(streams.ErrOut, "error:", session.Explained(err))
		return exitTrouble
	}
}

// Groups of verbs, as the help lists them.
var (
	look   = cobra.Group{ID: "look", Title: "See what there is:"}
	decide = cobra.Group{ID: "decide", Title: "Ask before you apply:"}
	change = cobra.Group{ID: "change", Title: "Change something:"}
)

// New is the command with all its verbs. own is the plugin's version.
func New(s *session.Session, own string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kubectl-portolan",
		Short: "The chart of a cluster's node ports",
		Long: `kubectl portolan shows and tends a cluster's node ports: who may use which, who
holds which, which nodes serve them and who may reach them. It goes by your
kubeconfig and your rights.`,
		Example: `  # The whole range at a glance
  kubectl portolan map

  # Who holds a number
  kubectl portolan who 30080

  # What nobody has used for a month
  kubectl portolan list -A --idle 30d`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl portolan"},
		SilenceErrors: true, // Run says them
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,

		Args:              knownVerb,
		PersistentPreRunE: complete,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetIn(s.In)
	cmd.SetOut(s.Out)
	cmd.SetErr(s.ErrOut)
	s.AddFlags(cmd.PersistentFlags())
	addVerbs(cmd, s, own)
	helpful(cmd)
	return cmd
}

// knownVerb refuses what is none: cobra asks here when it has found no command of that name.
func knownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no verb %q", args[0])
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		text += ", but " + strings.Join(like, " and ")
	}
	return fmt.Errorf("%s; see %s --help", text, cmd.CommandPath())
}

// addVerbs adds each verb to its group. The help lists them by name.
func addVerbs(cmd *cobra.Command, s *session.Session, own string) {
	add := func(group cobra.Group, verbs ...*cobra.Command) {
		if len(verbs) > 0 {
			cmd.AddGroup(&group)
		}
		for _, verb := range verbs {
			verb.GroupID = group.ID
			plainly(verb)
			cmd.AddCommand(verb)
		}
	}
	add(look, portmap.New(s), ui.New(s), who.New(s), list.New(s), check.New(s), doctor.New(s), export.New(connection(s), s.Out, s.ErrOut), version.New(s, own))
	why := explain.New(judge{s}, s.Screen)
	why.ValidArgsFunction = s.CompleteServices()
	add(decide, lint.New(judge{s}, s.Screen), why)
	add(change, reserve.New(s), release.New(s), move.New(s))
	// They fail only where the flag is missing, or completed twice.
	_ = cmd.RegisterFlagCompletionFunc("namespace", s.CompleteNamespaces())
	_ = cmd.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
}
