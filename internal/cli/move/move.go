package move

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/portolan-dev/portolan/internal/cli/session"
)

type options struct {
	wish
	undo    bool
	yes     bool
	wait    time.Duration
	timeout time.Duration
	settle  time.Duration
}

// New is the verb.
func New(s *session.Session) *cobra.Command {
	o := options{timeout: 3 * time.Minute, settle: 10 * time.Second}
	cmd := &cobra.Command{
		Use:   "move SERVICE --to NUMBER",
		Short: "Give a Service another number, with both open for a while",
		Long: `Give a Service another node port without a moment in which clients find nobody:
for a while it answers on the old number and on the new one.

  1. It opens the new number, by a second entry in spec.ports (its port is the
     new number too).
  2. When that has endpoints, and all node-proxies have it in force, the
     Service's own entry takes the new number, and the second entry keeps the
     old one open. Now tell your clients, and say the new number in the
     Service's manifest. Where that cannot be seen, as of kube-proxy, it says
     so, and waits for --settle instead.
  3. At the end, for which it asks, the old number closes. It is held for the
     Service for a while.

How far it is stands in the Service. Interrupted at any point, the same command
goes on. --undo gives the old number back as long as it is open, and asks before
it closes a new one that was announced; a name given by --name stays. Once the
old number is closed, another move leads back to it.

It needs the rights to get and patch the Service. With those to list the
namespace's endpointslices and nodeportaccesses, which ClusterRole edit has too,
it sees whether the second entry has endpoints, and is guarded as the first;
with those to list nodeportnodestates and nodes, which are the cluster's, what
nodes have in force. It says what it could not see.`,
		Example: `  # Open 30200 beside the number that web has, and ask before that closes
  kubectl portolan move web --to 30200

  # Of several ports the one named https; the old number closes in two hours, and nobody is asked
  kubectl portolan move web --port https --to 30443 --wait 2h

  # Go on where it was left, to the end
  kubectl portolan move web --yes

  # Think better of it
  kubectl portolan move web --undo`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.CompleteServices(),
	}
	flags := cmd.Flags()
	flags.Int32Var(&o.to, "to", 0, "The `number` that the Service is to have. Not needed to go on.")
	flags.StringVar(&o.port, "port", "", "The `name` of the entry of spec.ports, where the Service has several node ports.")
	flags.StringVar(&o.rename, "name", "", "A `name` for the entry, where it has none.")
	flags.BoolVar(&o.undo, "undo", false, "Take back a move that has not ended. The old number stays.")
	flags.BoolVar(&o.yes, "yes", false, "Close a number without asking: the old one, or with --undo the new one.")
	flags.DurationVar(&o.wait, "wait", 0, "How long both numbers stay open from the switch on, such as 30m; then the old one closes without asking.")
	flags.DurationVar(&o.timeout, "timeout", o.timeout, "How long to wait until nodes answer on the new number; node-proxies report once in a minute.")
	flags.DurationVar(&o.settle, "settle", o.settle, "How long to wait before the switch where nobody reports whether nodes answer on the new number.")
	cmd.MarkFlagsMutuallyExclusive("undo", "to")
	cmd.MarkFlagsMutuallyExclusive("undo", "wait")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.given = cmd.Flags().Changed("port")
		if o.wait < 0 || o.settle < 0 || o.to < 0 || o.to > 65535 {
			return errors.New("--to must be 1 to 65535, and --wait and --settle no less than 0")
		}
		v, err := newMover(s, o, args[0])
		if err != nil {
			return err
		}
		return v.run(cmd.Context())
	}
	return cmd
}
