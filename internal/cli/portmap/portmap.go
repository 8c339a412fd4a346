// Package portmap is the verb map: the whole range of node ports at a glance.
package portmap

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
)

// New is the verb.
func New(s *session.Session) *cobra.Command {
	var f filter
	var format session.Output
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Show the whole range of node ports at a glance",
		Long: `Show the whole range of node ports: a grid in which the shape of a cell says
what state its number is in, and the colour which pool it belongs to. Without
colours it is drawn in plain characters. Below, or beside it on a wide terminal,
is how full each pool is.

Long runs of free numbers are folded into a line. With -n the numbers of that
namespace stand out, and all others look alike.`,
		Example: `  # All there is
  kubectl portolan map

  # One pool, number by number
  kubectl portolan map --pool team-a --unfold

  # Where the numbers of a namespace are
  kubectl portolan map -n shop

  # In colour through a pager
  kubectl portolan map --color=always | less -R

  # How full each pool is, for a program
  kubectl portolan map -o json | jq '.pools[] | {name, free}'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&f.pool, "pool", "", "Show the numbers of this `pool` only.")
	cmd.Flags().BoolVar(&f.unfold, "unfold", false, "Show every number, also where many in a row are free.")
	format.AddTo(cmd, "an object with from, to, pools (how full each is) and numbers (who has which)")
	_ = cmd.RegisterFlagCompletionFunc("pool", s.CompletePools()) // fails only where there is none of that name
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return run(cmd, s, f, format) }
	return cmd
}

// mapped are the kinds without which there are gaps in the map.
var mapped = []picture.Kind{picture.Pools, picture.Allocations, picture.Services, picture.NodeStates}

func run(cmd *cobra.Command, s *session.Session, f filter, format session.Output) error {
	_, given, err := s.Namespace()
	if err != nil {
		return err
	}
	if given {
		if f.namespace, err = s.ExistingNamespace(cmd.Context()); err != nil {
			return err
		}
	}
	p, err := s.Load(cmd.Context(), append(mapped, picture.Reservations, picture.Usages)...)
	if err != nil {
		return err
	}
	c := newChart(p, f)
	if f.pool != "" && len(c.areas) == 0 {
		return session.NoPool(f.pool)
	}
	if !format.IsTable() {
		return s.Encode(format, c.document(p))
	}
	fmt.Fprint(s.Out, c.draw(s.Screen()))
	s.Remark(p.GapsText(mapped...))
	return nil
}
