// Package reserve is the verb reserve: numbers that are kept for a Service, whether or not it exists.
package reserve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/scheme"
)

// poll is how often the reservation is looked at.
const poll = 200 * time.Millisecond

type options struct {
	ports   []string
	name    string
	pool    string
	dryRun  string
	timeout time.Duration
	print   *genericclioptions.PrintFlags
}

// New is the verb.
func New(s *session.Session) *cobra.Command {
	o := options{dryRun: "none", timeout: 30 * time.Second, print: genericclioptions.NewPrintFlags("reserved").WithTypeSetter(scheme.New())}
	cmd := &cobra.Command{
		Use:   "reserve SERVICE",
		Short: "Keep numbers for a Service, whether or not it exists",
		Long: `Keep numbers for a Service: before it exists, while it does, and after it has
been deleted. It makes a NodePortReservation, and says which numbers are kept,
or why they are not.

Without --port it keeps the numbers that the Service has; where it has none, one
is chosen for each of its ports, and where there is no such Service, one for its
only port. Those who may do so have ClusterRole admin in the namespace.`,
		Example: `  # Never lose the numbers that web has
  kubectl portolan reserve web

  # A number for a Service that is still to come, and one that is chosen
  kubectl portolan reserve web --port http=30080 --port admin

  # Only print the NodePortReservation, to keep it in Git
  kubectl portolan reserve web --port http=30080 --dry-run=client -o yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.CompleteServices(),
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.ports, "port", nil, "A `NAME[=NUMBER]`: the name of an entry of the Service's spec.ports, and its number; without one, one is chosen. May be repeated.")
	flags.StringVar(&o.name, "name", "", "The `name` of the NodePortReservation, where it is not that of the Service.")
	flags.StringVar(&o.pool, "pool", "", "The `pool` that numbers are chosen from.")
	flags.StringVar(&o.dryRun, "dry-run", o.dryRun, "`none`; client prints the object, for which it reads no more than the Service, and that only without --port; server has the API server judge it, and keeps nothing.")
	flags.DurationVar(&o.timeout, "timeout", o.timeout, "How long to wait until the numbers are kept; 0 does not wait.")
	flags.StringVarP(o.print.OutputFormat, "output", "o", "", "Print the NodePortReservation as `json`, yaml or name.")
	// They fail only where there is no flag of that name.
	_ = cmd.RegisterFlagCompletionFunc("pool", s.CompletePools())
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{"none", "client", "server"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), s, o, args[0]) }
	return cmd
}

func run(ctx context.Context, s *session.Session, o options, service string) error {
	if o.dryRun != "none" && o.dryRun != "client" && o.dryRun != "server" {
		return fmt.Errorf("--dry-run %q: it must be none, client or server", o.dryRun)
	}
	printer, err := o.printer() // a wrong format makes no reservation
	if err != nil {
		return err
	}
	namespace, _, err := s.Namespace()
	if err != nil {
		return err
	}
	c, err := s.Client()
	if err != nil {
		return err
	}
	w := wish{service: types.NamespacedName{Namespace: namespace, Name: service}, name: cmp.Or(o.name, service), pool: o.pool, ports: o.ports}
	live, err := w.live(ctx, c)
	if err != nil {
		return err
	}
	r, err := w.reservation(live)
	if err != nil {
		return err
	}
	if err := o.create(ctx, s, c, r); err != nil {
		return err
	}
	if o.ends() {
		return printed(s, printer, r)
	}
	ready, err := o.awaited(ctx, s, c, r)
	if err != nil {
		return err
	}
	return o.tell(s, printer, r, ready)
}

// ends says whether nothing is waited for once the reservation is made.
func (o options) ends() bool { return o.dryRun != "none" || o.timeout == 0 }

// tell prints what has become of the reservation: exit code 1 where not all is kept.
func (o options) tell(s *session.Session, printer printers.ResourcePrinter, r *v1alpha1.NodePortReservation, ready *metav1.Condition) error {
	if *o.print.OutputFormat == "" {
		fmt.Fprint(s.Out, told(r, ready))
	} else if err := printed(s, printer, r); err != nil {
		return err
	}
	if ready.Status != metav1.ConditionTrue {
		return session.ErrFindings
	}
	return nil
}

// live is the Service, where it matters: nil where the ports are named, or there is none.
func (w wish) live(ctx context.Context, c client.Reader) (*corev1.Service, error) {
	if len(w.ports) > 0 {
		return nil, nil
	}
	svc := &corev1.Service{}
	if err := c.Get(ctx, w.service, svc); apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("you may not read Service %s, whose numbers are to be kept: ClusterRole admin, bound to you in namespace %s, gives that right: %w",
			w.service.Name, w.service.Namespace, err)
	} else if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return svc, nil
}

// create makes the reservation, unless nobody is to be asked.
func (o options) create(ctx context.Context, s *session.Session, c client.Client, r *v1alpha1.NodePortReservation) error {
	var how []client.CreateOption
	switch o.dryRun {
	case "client":
		return nil
	case "server":
		how = append(how, client.DryRunAll)
	}
	if !o.ends() {
		var err error
		if c, err = unrepeating(s, c); err != nil {
			return err
		}
	}
	err := c.Create(ctx, r, how...)
	switch {
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%w: change it with kubectl edit npr %s -n %s, or make another with --name", err, r.Name, r.Namespace)
	case apierrors.IsForbidden(err) && apierrors.ReasonForError(err) == metav1.StatusReasonForbidden:
		return fmt.Errorf("%w; ClusterRole admin, bound in namespace %s, gives the right to make reservations", err, r.Namespace)
	}
	r.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePortReservation")) // a client takes it off
	return err
}

// awaited is what has become of it, which r is then.
func (o options) awaited(ctx context.Context, s *session.Session, c client.Client, r *v1alpha1.NodePortReservation) (*metav1.Condition, error) {
	done := term.Progress(s.ErrOut, "Waiting until the numbers are kept")
	defer done()
	var ready *metav1.Condition
	err := wait.PollUntilContextTimeout(ctx, poll, o.timeout, true, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(r), r); err != nil {
			return false, err
		}
		ready = verdict(r)
		return ready != nil, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("NodePortReservation %s is made, but nobody has said within %s whether it can be kept: is Portolan's manager running? "+
			"See kubectl get npr %s -n %s", r.Name, o.timeout, r.Name, r.Namespace)
	}
	r.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePortReservation"))
	return ready, err
}

// printer prints the object in the format of -o, else its name; the error says which formats there are.
func (o options) printer() (printers.ResourcePrinter, error) {
	if o.dryRun != "none" && *o.print.OutputFormat == "" {
		if err := o.print.Complete("%s (" + o.dryRun + " dry run)"); err != nil {
			return nil, err
		}
	}
	return o.print.ToPrinter()
}

func printed(s *session.Session, printer printers.ResourcePrinter, r *v1alpha1.NodePortReservation) error {
	r.ManagedFields = nil
	return printer.PrintObj(r, s.Out)
}
