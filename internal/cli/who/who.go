// Package who is the verb who: what there is to tell of numbers.
package who

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/cli/story"
)

// New is the verb.
func New(s *session.Session) *cobra.Command {
	var format session.Output
	cmd := &cobra.Command{
		Use:   "who NUMBER...",
		Short: "Say who holds a node port, and all else about it",
		Long: `Say who holds a node port: since when, how it came to it, which nodes serve it,
how many endpoints are ready, when anybody last used it, who may reach it, and
what clashes with it.

Who may not read the whole cluster sees what is of his own namespace (-n).`,
		Example: `  # Who has 30080
  kubectl portolan who 30080

  # Several at once, for a program
  kubectl portolan who 30080 30081 -o json`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: s.CompleteNumbers(),
	}
	format.AddTo(cmd, "a list of nodePort, state, pool, namespace, service, summary and facts")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd, s, format, args) }
	return cmd
}

func run(cmd *cobra.Command, s *session.Session, format session.Output, args []string) error {
	numbers, err := parse(args)
	if err != nil {
		return err
	}
	p, err := s.Load(cmd.Context(), picture.Pools, picture.Allocations, picture.Services, picture.Reservations, picture.Usages,
		picture.Accesses, picture.NodeStates, picture.Namespaces)
	if err != nil {
		return err
	}
	if p, err = s.WithEndpoints(cmd.Context(), p, numbers...); err != nil {
		return err
	}
	var stories []story.Story
	for _, n := range numbers {
		stories = append(stories, story.Of(p, n))
	}
	if !format.IsTable() {
		return s.Encode(format, stories)
	}
	screen := s.Screen()
	for i, told := range stories {
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		fmt.Fprint(s.Out, told.Text(screen))
	}
	if text := p.GapsText(picture.Pools, picture.Allocations, picture.Services, picture.NodeStates); text != "" {
		fmt.Fprintln(s.ErrOut)
		s.Remark(text)
	}
	return nil
}

func parse(args []string) ([]int32, error) {
	var numbers []int32
	for _, arg := range args {
		n, err := strconv.ParseUint(arg, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is no port number: want 1 to 65535, such as 30080; for the numbers of a Service see kubectl portolan list", arg)
		}
		numbers = append(numbers, int32(n))
	}
	return numbers, nil
}
