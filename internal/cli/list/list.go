// Package list is the verb list: the ledger of node ports, filtered.
package list

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/scheme"
)

// options are the verb's flags.
type options struct {
	all       bool
	pool      string
	states    []string
	idle      string
	noHeaders bool
	print     *genericclioptions.PrintFlags
}

// New is the verb.
func New(s *session.Session) *cobra.Command {
	o := options{print: genericclioptions.NewPrintFlags("").WithTypeSetter(scheme.New())}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List who has which node port",
		Long: `List the ledger of node ports: who has which, of which pool, in which state, and
when it was last used. Without -A it lists those of the namespace.`,
		Example: `  # Those of the namespace of your context
  kubectl portolan list

  # What nobody has used for 30 days, in the whole cluster
  kubectl portolan list -A --idle 30d

  # What is kept for Services that have gone or are yet to come
  kubectl portolan list -A --state held,reserved

  # The numbers of a pool, for a script
  kubectl portolan list -A --pool team-a -o name`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "List those of all namespaces.")
	flags.StringVar(&o.pool, "pool", "", "List those of this `pool` only.")
	flags.StringSliceVar(&o.states, "state", nil, "List those in these `states` only: "+strings.ToLower(strings.Join(namesOf(listed), ", "))+".")
	flags.StringVar(&o.idle, "idle", "", "List those only that nobody has used for so `long`, as far as nodes count: 30d, 2w, 36h.")
	flags.BoolVar(&o.noHeaders, "no-headers", false, "Leave out the headings of the table.")
	o.print.AddFlags(cmd)
	flags.Lookup("output").Usage = "The `format`: table, wide, json, yaml, name, or another of kubectl's."
	// They fail only where there is no flag of that name.
	_ = cmd.RegisterFlagCompletionFunc("pool", s.CompletePools())
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(strings.Split(strings.ToLower(strings.Join(namesOf(listed), ",")), ","), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(append([]string{"table", "wide"}, o.print.AllowedFormats()...), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return run(cmd, s, o) }
	return cmd
}

func run(cmd *cobra.Command, s *session.Session, o options) error {
	f, err := o.filter(cmd.Context(), s)
	if err != nil {
		return err
	}
	p, err := s.Load(cmd.Context(), picture.Allocations, picture.Pools, picture.Services, picture.Reservations, picture.Usages, picture.NodeStates)
	if err != nil {
		return err
	}
	if err := cmp.Or(unseen(p), session.KnownPool(p, f.pool)); err != nil {
		return err
	}
	var numbers []picture.Number
	for _, n := range p.Taken() {
		if f.lists(n, p.Now) {
			numbers = append(numbers, n)
		}
	}
	if err := o.printNumbers(s, p, f, numbers); err != nil {
		return err
	}
	for _, text := range remarks(p, f, numbers) {
		s.Remark(text)
	}
	return nil
}

// unseen is an error where the caller may read none of what a list is made of.
func unseen(p *picture.Picture) error {
	for _, kind := range owning {
		if !slices.Contains(p.Gaps, picture.Gap{Kind: kind}) {
			return nil
		}
	}
	return errors.New(p.GapsText(owning...) + " Choose a namespace in which you may list services by -n")
}

// owning are the kinds that say who has which number.
var owning = []picture.Kind{picture.Allocations, picture.Services, picture.Reservations, picture.Usages}

func (o options) filter(ctx context.Context, s *session.Session) (filter, error) {
	f := filter{pool: o.pool}
	var err error
	if o.idle != "" {
		if f.idle, err = age(o.idle); err != nil {
			return f, err
		}
	}
	if f.states, err = statesOf(o.states); err == nil && !o.all {
		f.namespace, err = s.ExistingNamespace(ctx)
	}
	return f, err
}

// printNumbers prints a table, or the NodePortAllocations in a format of kubectl's.
func (o options) printNumbers(s *session.Session, p *picture.Picture, f filter, numbers []picture.Number) error {
	format := *o.print.OutputFormat
	switch format {
	case "", "table", "wide":
		if len(numbers) == 0 {
			return nil
		}
		table := tableOf(p, numbers, f.namespace != "")
		if screen := s.Screen(); screen.Known && format != "wide" {
			fit(table, screen.Width)
		}
		return printers.NewTablePrinter(printers.PrintOptions{Wide: format == "wide", NoHeaders: o.noHeaders}).PrintObj(table, s.Out)
	}
	printer, err := o.print.ToPrinter()
	if err != nil {
		return err
	}
	if !p.Complete(picture.Allocations) {
		return errors.New("-o " + format + " prints NodePortAllocations. " + p.GapsText(picture.Allocations))
	}
	list := allocationsOf(numbers)
	if format != "name" {
		return printer.PrintObj(list, s.Out)
	}
	for i := range list.Items { // names are printed one by one
		if err := printer.PrintObj(&list.Items[i], s.Out); err != nil {
			return err
		}
	}
	return nil
}

// allocationsOf are the objects; a number that nobody has claimed has none.
func allocationsOf(numbers []picture.Number) *v1alpha1.NodePortAllocationList {
	list := &v1alpha1.NodePortAllocationList{Items: []v1alpha1.NodePortAllocation{}}
	list.APIVersion, list.Kind = v1alpha1.GroupVersion.String(), "NodePortAllocationList"
	for _, n := range numbers {
		if n.Allocation == nil {
			continue
		}
		a := n.Allocation.DeepCopy()
		a.APIVersion, a.Kind = v1alpha1.GroupVersion.String(), "NodePortAllocation"
		list.Items = append(list.Items, *a)
	}
	return list
}

// remarks say what the list leaves out.
func remarks(p *picture.Picture, f filter, numbers []picture.Number) []string {
	var texts []string
	if len(numbers) == 0 {
		texts = append(texts, nothing(p, f))
	}
	if f.idle > 0 {
		uncounted := 0
		all := f
		all.idle = 0
		for _, n := range p.Taken() {
			if _, known := n.UnusedSince(); n.State == picture.InUse && !known && all.lists(n, p.Now) {
				uncounted++
			}
		}
		if uncounted > 0 {
			texts = append(texts, fmt.Sprintf("Of %d more it is not known whether anybody uses them: nodes with node-proxy count that.", uncounted))
		}
	}
	if text := p.GapsText(picture.Allocations, picture.Pools, picture.Services, picture.NodeStates); text != "" {
		texts = append(texts, text)
	}
	return texts
}

// nothing says what there is where the list is empty.
func nothing(p *picture.Picture, f filter) string {
	where := "in the cluster"
	if f.namespace != "" {
		where = "in namespace " + f.namespace
	}
	seen := ""
	if !p.Complete(picture.Allocations, picture.Services) {
		seen = "that you may see "
	}
	text := "No such node port " + seen + where + "."
	if f.pool == "" && len(f.states) == 0 && f.idle == 0 {
		text = "No node port " + seen + "is in use " + where + "."
	}
	elsewhere := f
	elsewhere.namespace = ""
	count := 0
	for _, n := range p.Taken() {
		if elsewhere.lists(n, p.Now) {
			count++
		}
	}
	if f.namespace != "" && count > 0 {
		text += fmt.Sprintf(" With -A: %d in all namespaces.", count)
	}
	return text
}
