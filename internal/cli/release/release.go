// Package release is the verb release: a number that is held for its last Service is given up before its time.
package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// New is the verb.
func New(s *session.Session) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "release NUMBER...",
		Short: "Give up numbers that are held for their last Service",
		Long: `Give up numbers that are held for the Service that had them last (see list
--state held), before their time: anybody whose pool they are in may have them
then. Numbers that are in use, or reserved, are not touched: it says what to do
about them instead. What the leader should have given up by now, and has not,
may go too. If any of the numbers is not held, none is given up.

It needs the right to delete nodeportallocations, which are the cluster's:
ClusterRole cluster-admin has it.`,
		Example: `  # See who had it, and be asked
  kubectl portolan release 30101

  # Give up two holds, without being asked
  kubectl portolan release 30101 30102 --yes`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: s.Complete(held, picture.Allocations, picture.Services),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "Do not ask. Needed where the input is no terminal.")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), s, yes, args) }
	return cmd
}

// held are the numbers to choose from.
func held(p *picture.Picture) []string {
	var words []string
	for _, n := range p.Taken() {
		if owner, ok := n.Owner(); ok && n.State == picture.Held {
			words = append(words, cobra.CompletionWithDesc(strconv.Itoa(int(n.Number)), owner.String()))
		}
	}
	return words
}

func run(ctx context.Context, s *session.Session, yes bool, args []string) error {
	wanted, err := parse(args)
	if err != nil {
		return err
	}
	p, err := s.Load(ctx, picture.Pools, picture.Allocations, picture.Services)
	if err != nil {
		return err
	}
	if !p.Complete(picture.Allocations, picture.Services) { // a Service that is not seen may have what looks held
		return errors.New("a hold is given up in the ledger of the cluster. " + p.GapsText(picture.Allocations, picture.Services) +
			" To release also takes the right to delete them, as ClusterRole cluster-admin has")
	}
	numbers := make([]picture.Number, len(wanted))
	var refusals []string
	for i, n := range wanted {
		numbers[i] = p.Number(n)
		if text := refusal(numbers[i]); text != "" {
			refusals = append(refusals, text)
		}
	}
	if len(refusals) > 0 {
		fmt.Fprintln(s.ErrOut, strings.Join(refusals, "\n"))
		return session.ErrFindings
	}
	if ok, err := agreed(ctx, s, numbers, p, yes); err != nil || !ok {
		return err
	}
	c, err := s.Client()
	if err != nil {
		return err
	}
	return giveUp(ctx, c, s.Out, numbers)
}

// parse reads numbers, of which each is there once.
func parse(args []string) ([]int32, error) {
	var numbers []int32
	for _, arg := range args {
		n, err := strconv.ParseUint(arg, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is no port number: want 1 to 65535, such as 30080", arg)
		}
		if !slices.Contains(numbers, int32(n)) {
			numbers = append(numbers, int32(n))
		}
	}
	return numbers, nil
}

// agreed says what is about to go, and asks.
func agreed(ctx context.Context, s *session.Session, numbers []picture.Number, p *picture.Picture, yes bool) (bool, error) {
	if yes {
		return true, nil
	}
	for _, n := range numbers {
		fmt.Fprintln(s.ErrOut, about(n, p.Now))
	}
	ok, err := s.Ask(ctx, "Let anybody have it?")
	if errors.Is(err, session.ErrNobodyToAsk) {
		err = fmt.Errorf("%w: say --yes", err)
	}
	return ok, err
}

// about is what a number is that may go.
func about(n picture.Number, now time.Time) string {
	owner, _ := n.Owner()
	switch until := n.Allocation.Spec.HoldUntil; {
	case until == nil:
		return fmt.Sprintf("%d was claimed for Service %s, which never came.", n.Number, owner)
	case n.Lapsed:
		return fmt.Sprintf("%d was held for Service %s until %s ago.", n.Number, owner, term.Age(until.Time, now))
	default:
		return fmt.Sprintf("%d is held for Service %s for another %s.", n.Number, owner, term.Until(until.Time, now))
	}
}

// giveUp deletes the holds as they were seen: one that has been taken meanwhile stays. Each is told of, whatever becomes of the
// others; the error is of all that stay.
func giveUp(ctx context.Context, c client.Writer, out io.Writer, numbers []picture.Number) error {
	var errs []error
	for _, n := range numbers {
		a := n.Allocation
		err := c.Delete(ctx, a, client.Preconditions{UID: &a.UID, ResourceVersion: &a.ResourceVersion})
		switch {
		case err == nil:
			fmt.Fprintf(out, "%d released\n", n.Number)
		case apierrors.IsNotFound(err):
			fmt.Fprintf(out, "%d was free already\n", n.Number)
		case apierrors.IsForbidden(err):
			errs = append(errs, fmt.Errorf("%d stays: %w; ClusterRole cluster-admin has that right", n.Number, err))
		case apierrors.IsConflict(err):
			errs = append(errs, fmt.Errorf("%d has changed meanwhile and stays: see kubectl portolan who %d", n.Number, n.Number))
		default:
			errs = append(errs, fmt.Errorf("%d stays: %w", n.Number, err))
		}
	}
	return errors.Join(errs...)
}
