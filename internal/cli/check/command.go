package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/knock"
)

// options are the verb's flags.
type options struct {
	how       How
	addresses []net.IP
	all       bool
	fromNodes bool
	timeout   time.Duration
	parallel  int
	format    session.Output
}

// New is the verb.
func New(s *session.Session) *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use:   "check [SERVICE...]",
		Short: "Connect to node ports at every node, and say why some do not answer",
		Long: `Connect to the node ports of Services at every node, and say of each whether it
answers and how fast: ok, refused, timed out, unreachable. Where one does not
answer as it should, it says why, by what the cluster knows: the rules are
missing on the node, a NodePortAccess does not let you in, no pod is ready,
something else has the number; with what mends it or what to look at. Without
names it checks all Services of the namespace. The exit code is 1 where anything
is found.

TCP ports are connected to, and nothing is sent. With --http they are asked for
a path, and an answer that names its pod (the field pod or hostname of a JSON
object) is held against the pods of the Service. UDP cannot be told unless
--udp-payload is something that the Service answers.

It connects from where it runs, which has to reach the nodes' addresses. With
--from-nodes every node tries all nodes, too: node-proxy knock is run in the Pod
of node-proxy on each. That takes the rights to list Pods and to create
pods/exec in namespace portolan-node. A node whose node-proxy cannot be asked is
named, and counts as a finding.`,
		Example: `  # Does it answer everywhere?
  kubectl portolan check podinfo

  # All Services of all namespaces, from here
  kubectl portolan check -A

  # From every node to every node, and whose pod answers
  kubectl portolan check podinfo --from-nodes --http /

  # A name server
  kubectl portolan check dns --udp-payload "$(printf '\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1')" -o json`,
		ValidArgsFunction: s.CompleteServices(),
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "Check the Services of all namespaces.")
	flags.BoolVar(&o.fromNodes, "from-nodes", false, "Connect from every node that has node-proxy, too.")
	flags.StringVar(&o.how.HTTP, "http", "", "Ask TCP ports for this `path`, such as /, and see which pod answers.")
	flags.StringVar(&o.how.Payload, "udp-payload", "", "Send UDP ports this `text`, to which the Service answers.")
	flags.IPSliceVar(&o.addresses, "address", nil, "Try these `addresses` in the place of those of the nodes: for who may not list Nodes, or to try others.")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Second, "How `long` each attempt may take.")
	flags.IntVar(&o.parallel, "parallel", 32, "How `many` are made at a time.")
	o.format.AddTo(cmd, "a list of namespace, service, verdict, attempts, and notTried: the nodes from which nothing was")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), s, o, args) }
	return cmd
}

func (o options) validate(args []string) error {
	switch {
	case o.all && len(args) > 0:
		return errors.New("-A checks all Services: name none, or leave -A out")
	case o.timeout <= 0 || o.parallel <= 0:
		return errors.New("--timeout and --parallel must be more than zero")
	case o.how.HTTP != "" && o.how.HTTP[0] != '/':
		return fmt.Errorf("--http %s: it must be a path, such as /", o.how.HTTP)
	}
	return nil
}

func run(ctx context.Context, s *session.Session, o options, args []string) error {
	if err := o.validate(args); err != nil {
		return err
	}
	for _, ip := range o.addresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			o.how.Addresses = append(o.how.Addresses, a.Unmap())
		}
	}
	if !o.all {
		if _, err := s.ExistingNamespace(ctx); err != nil {
			return err
		}
	}
	p, err := s.Load(ctx, picture.Services, picture.Allocations, picture.Pools, picture.Accesses, picture.NodeStates, picture.Nodes)
	if err != nil {
		return err
	}
	services, err := o.choose(s, p, args)
	if err != nil {
		return err
	}
	if p, err = s.WithEndpoints(ctx, p, numbersOf(services)...); err != nil {
		return err
	}
	reports, err := o.try(ctx, s, p, services)
	if err != nil {
		return err
	}
	return o.print(s, p, reports)
}

// choose are the Services with node ports that the arguments mean.
func (o options) choose(s *session.Session, p *picture.Picture, args []string) ([]*corev1.Service, error) {
	namespace, _, err := s.Namespace()
	if err != nil {
		return nil, err
	}
	if len(args) == 0 && slices.Contains(p.Gaps, picture.Gap{Kind: picture.Services}) {
		return nil, errors.New(p.GapsText(picture.Services) + " Choose a namespace in which you may by -n")
	}
	var chosen []*corev1.Service
	for _, name := range args {
		svc := p.Service(types.NamespacedName{Namespace: namespace, Name: name})
		switch {
		case svc == nil:
			return nil, fmt.Errorf("there is no Service %s in namespace %s, or you may not read it", name, namespace)
		case len(numbersOf([]*corev1.Service{svc})) == 0:
			return nil, fmt.Errorf("there is nothing to connect to: Service %s has no node port", name)
		}
		chosen = append(chosen, svc)
	}
	for i := range p.Services {
		svc := &p.Services[i]
		if len(args) == 0 && (o.all || svc.Namespace == namespace) && len(numbersOf([]*corev1.Service{svc})) > 0 {
			chosen = append(chosen, svc)
		}
	}
	return chosen, nil
}

func numbersOf(services []*corev1.Service) []int32 {
	var numbers []int32
	for _, svc := range services {
		for _, port := range svc.Spec.Ports {
			if port.NodePort != 0 {
				numbers = append(numbers, port.NodePort)
			}
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// try knocks at all doors, from here and from nodes.
func (o options) try(ctx context.Context, s *session.Session, p *picture.Picture, services []*corev1.Service) ([]Report, error) {
	var doors []Door
	for _, svc := range services {
		doors = append(doors, Doors(p, svc, o.how)...)
	}
	if len(doors) == 0 && len(services) > 0 {
		return nil, fmt.Errorf("no node has an address that could be tried: say which by --address. %s", p.GapsText(picture.Nodes, picture.NodeStates))
	}
	if o.how.Payload != "" && !slices.ContainsFunc(doors, func(d Door) bool { return d.Protocol == "UDP" }) {
		return nil, errors.New("--udp-payload is for UDP ports, and there is none among these: leave it out; --http asks TCP ports")
	}
	done := term.Progress(s.ErrOut, fmt.Sprintf("Connecting to %d node ports", len(doors)))
	defer done()
	all := []Knocked{{Doors: doors, Answers: knock.At(ctx, plain(doors), o.timeout, o.parallel)}}
	if o.fromNodes && len(doors) > 0 {
		more, err := o.tryFromNodes(ctx, s, p, doors)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	var reports []Report
	for _, svc := range services {
		reports = append(reports, Judge(p, svc.Namespace, svc.Name, about(all, svc)))
	}
	return reports, nil
}

func (o options) tryFromNodes(ctx context.Context, s *session.Session, p *picture.Picture, doors []Door) ([]Knocked, error) {
	c, err := s.Client()
	if err != nil {
		return nil, err
	}
	config, err := s.Config()
	if err != nil {
		return nil, err
	}
	var reporting []string
	for i := range p.NodeStates {
		reporting = append(reporting, p.NodeStates[i].Name)
	}
	return from(ctx, execs{c, config}, reporting, doors, o.timeout, o.parallel)
}

func plain(doors []Door) []knock.Door {
	plain := make([]knock.Door, len(doors))
	for i := range doors {
		plain[i] = doors[i].Door
	}
	return plain
}

// about are a Service's of all doors.
func about(all []Knocked, svc *corev1.Service) []Knocked {
	var its []Knocked
	for _, k := range all {
		mine := Knocked{From: k.From, Missed: k.Missed}
		for i, door := range k.Doors {
			if door.Of == svc {
				mine.Doors, mine.Answers = append(mine.Doors, door), append(mine.Answers, k.Answers[i])
			}
		}
		its = append(its, mine)
	}
	return its
}

// nothing is what there is to say where no Service has a node port.
func (o options) nothing(s *session.Session, p *picture.Picture) string {
	namespace, _, err := s.Namespace()
	switch {
	case (o.all || err != nil) && !p.Complete(picture.Services):
		return "There is no Service with a node port that you may see in the cluster."
	case o.all || err != nil:
		return "There is no Service with a node port in the cluster."
	}
	return fmt.Sprintf("There is no Service with a node port in namespace %s. With -A those of all namespaces are checked.", namespace)
}

func (o options) print(s *session.Session, p *picture.Picture, reports []Report) error {
	if o.format.IsTable() {
		o.printText(s, p, reports)
	} else if err := s.Encode(o.format, reports); err != nil {
		return err
	}
	if slices.ContainsFunc(reports, func(r Report) bool { return !r.Well() }) {
		return session.ErrFindings
	}
	return nil
}

func (o options) printText(s *session.Session, p *picture.Picture, reports []Report) {
	screen := s.Screen()
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		fmt.Fprint(s.Out, r.Text(screen))
	}
	if len(reports) == 0 {
		s.Remark(o.nothing(s, p))
	} else {
		fmt.Fprint(s.Out, missesText(reports[0].NotTried, screen)) // what holds for one holds for all
	}
	s.Remark(p.GapsText(picture.Services, picture.Accesses, picture.NodeStates, picture.Nodes, picture.EndpointSlices))
}
