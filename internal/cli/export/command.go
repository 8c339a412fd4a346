package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/export/format"
)

// Connection is the cluster that the command is about, with the caller's own rights.
type Connection struct {
	Client client.Client
	Config *rest.Config
	// Namespace is the one that is wanted; "": all.
	Namespace string
}

// flags are the command's own.
type flags struct {
	selector, listen, family, addresses, table, zone string
	pools, protocols, bind, nameServers              []string
	ttl                                              time.Duration

	output, exec    string
	all, watch      bool
	withoutPortolan bool
}

const examples = `  # HAProxy in front of the nodes, in step with them
  kubectl portolan export haproxy -A --output /etc/haproxy/portolan.cfg --watch --exec 'systemctl reload haproxy'

  # What a firewall has to let through to one team's Services
  kubectl portolan export nftables -n shop

  # The DNS names of all Services with a node port, for a zone of their own
  kubectl portolan export dns -A --zone ports.example.com --name-server ns1.example.com

  # The numbers of a pool, for a spreadsheet
  kubectl portolan export csv -A --pool team-a`

// New is the verb. connect is called once flags are read: all says that -A was given. out takes the export, and notes what
// there is to say.
func New(connect func(ctx context.Context, all bool) (Connection, error), out, notes io.Writer) *cobra.Command {
	var f flags
	var names []cobra.Completion
	var about strings.Builder
	about.WriteString(`Write the cluster's node ports, and the nodes at which they are to be reached,
as others read them. Without -A it writes those of the namespace. With --watch
it goes on, and keeps the file in step.

Formats:`)
	for _, known := range format.All() {
		names = append(names, cobra.CompletionWithDesc(known.Name, known.Short))
		fmt.Fprintf(&about, "\n  %-14s %s", known.Name, known.Short)
	}
	cmd := &cobra.Command{
		Use:       "export FORMAT",
		Short:     "Write what load balancers, firewalls and name servers read, and keep it in step",
		Long:      about.String(),
		Example:   examples,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: names,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := f.options(args[0])
		if err != nil {
			return err
		}
		connection, err := connect(cmd.Context(), f.all)
		if err != nil {
			return err
		}
		o.Client, o.Config, o.Filter.Namespace = connection.Client, connection.Config, connection.Namespace
		o.Out, o.Err = out, notes
		o.Text.Made = made(args[0], cmd.Flags())
		return o.Run(cmd.Context())
	}
	f.add(cmd)
	return cmd
}

func (f *flags) add(cmd *cobra.Command) {
	set := cmd.Flags()
	set.BoolVarP(&f.all, "all-namespaces", "A", false, "Write those of all namespaces.")
	set.StringVarP(&f.selector, "selector", "l", "", "Write those of Services with these `labels` only, such as app=web.")
	set.StringSliceVar(&f.pools, "pool", nil, "Write numbers that were taken from these `pools` only.")
	set.StringSliceVar(&f.protocols, "protocol", nil, "Write those of these `protocols` only: tcp, udp, sctp.")
	set.StringVar(&f.family, "ip-family", "", "Write addresses of this `family` only: ipv4 or ipv6.")
	set.StringVar(&f.addresses, "addresses", "auto", "Which `addresses` of the nodes: external, internal, or auto: external ones if any node has one, else internal ones.")
	set.StringVar(&f.listen, "listen", string(format.ListenNodePort), "At which `number` a load balancer listens: node-port or service-port. Of Services with the same port the oldest has it.")
	set.StringSliceVar(&f.bind, "bind", nil, "The load balancer's own `addresses` at which it listens, such as 192.0.2.1 or ::. (default all of IPv4)")
	set.StringVar(&f.table, "table", "filter", "For nftables, the `table`, of family inet, that the chain is in.")
	set.StringVar(&f.zone, "zone", "", "For dns, the `name` of the zone.")
	set.StringSliceVar(&f.nameServers, "name-server", nil, "For dns, the `names` of the zone's name servers. Without any it is a part for another zone file to include.")
	set.DurationVar(&f.ttl, "ttl", 30*time.Second, "For dns, the `time` that resolvers keep an answer.")
	set.BoolVar(&f.withoutPortolan, "without-portolan", false, "Go on where the cluster has no NodePortAccess and no pools at the start: every port is written as open to everybody.")
	set.StringVar(&f.output, "output", "", "Write this `file`, in one step, and only when it changes. (default print)")
	set.BoolVarP(&f.watch, "watch", "w", false, "Go on, and rewrite the file as nodes and ports change.")
	set.StringVar(&f.exec, "exec", "", "Run this `command` of the shell after each write, and as --watch begins, such as 'systemctl reload haproxy'.")
	for flag, words := range map[string][]string{
		"protocol": {"tcp", "udp", "sctp"}, "ip-family": {"ipv4", "ipv6"}, "addresses": {"auto", "external", "internal"},
		"listen": {string(format.ListenNodePort), string(format.ListenServicePort)},
	} {
		// It fails only where there is no flag of that name.
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
}

// options reads the flags.
func (f *flags) options(name string) (Options, error) {
	var errs [8]error
	o := Options{Output: f.output, Watch: f.watch, Exec: f.exec, WithoutPortolan: f.withoutPortolan}
	o.Format, errs[0] = format.Named(name)
	o.Filter.Pools = f.pools
	o.Filter.Selector, errs[1] = selector(f.selector)
	o.Filter.Protocols, errs[2] = each("--protocol", f.protocols, map[string]corev1.Protocol{
		"tcp": corev1.ProtocolTCP, "udp": corev1.ProtocolUDP, "sctp": corev1.ProtocolSCTP})
	o.Filter.Family, errs[3] = oneOf("--ip-family", f.family, map[string]corev1.IPFamily{
		"": "", "ipv4": corev1.IPv4Protocol, "ipv6": corev1.IPv6Protocol})
	o.Filter.Kind, errs[4] = oneOf("--addresses", f.addresses, map[string]corev1.NodeAddressType{
		"auto": "", "external": corev1.NodeExternalIP, "internal": corev1.NodeInternalIP})
	o.Text.Listen, errs[5] = oneOf("--listen", f.listen, map[string]format.Listen{
		"node-port": format.ListenNodePort, "service-port": format.ListenServicePort})
	o.Text.Bind, errs[6] = addresses(f.bind)
	o.Text.Table, o.Text.TTL, errs[7] = f.table, f.ttl, f.names()
	o.Text.Zone = strings.TrimSuffix(f.zone, ".")
	for _, server := range f.nameServers {
		o.Text.NameServers = append(o.Text.NameServers, strings.TrimSuffix(server, "."))
	}
	return o, errors.Join(errs[:]...)
}
