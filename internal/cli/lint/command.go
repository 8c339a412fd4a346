package lint

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/manifest"
	"github.com/portolan-dev/portolan/internal/cli/premises"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

type options struct {
	premises.Flags
	files  []string
	format string
	strict bool
	quiet  bool
}

// New is the verb lint. Its errors but premises.ErrFindings are trouble on the way. cluster may be nil. screen is that of the
// output, once flags are read.
func New(cluster premises.Cluster, screen func() term.Screen) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "lint -f FILE...",
		Short: "Say of manifests what admission would, before they are applied",
		Long: `Judge Services, NodePortPools, NodePortReservations and NodePortAccess in files
by the rules of admission, in its words.

No cluster is asked unless --live says so: the pools are those of the files, and
of --pools. Files are judged as if they were applied together, so a number that
two of them ask for is found. What only a cluster knows is left out, and one
line says so. Directories are gone through with all that is below them. With
--live, where you may not read all that Services are decided by, the API server
judges each by a dry run with your rights.

Exit code 0: nothing is wrong. 1: there are errors, or with --strict warnings.
2: something could not be read, or not be judged.`,
		Example: `  # A directory and those below it, pools and all
  kubectl portolan lint -f config/samples/

  # Services against the pools of production, which are in another repository
  kubectl portolan lint -f deploy/ --pools ../infra/pools.yaml

  # What a chart renders, against the cluster as it is now
  helm template web ./chart | kubectl portolan lint -f - --live

  # For code scanning, and for CI systems that read JUnit
  kubectl portolan lint -f deploy/ -o sarif > lint.sarif
  kubectl portolan lint -f deploy/ -o junit > lint.xml`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return o.run(cmd, cluster, screen) },
	}
	flags := cmd.Flags()
	flags.StringSliceVarP(&o.files, "filename", "f", nil, "Files and directories to judge; - is the standard input.")
	o.AddFilesTo(flags, true)
	flags.BoolVar(&o.Live, "live", false, "Judge against the cluster as it is now.")
	flags.StringVarP(&o.format, "output", "o", "text", "The `format`: text, json, sarif or junit.")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "sarif", "junit"}, cobra.ShellCompDirectiveNoFileComp)) // fails only where there is no such flag
	flags.BoolVar(&o.strict, "strict", false, "Warnings count as errors for the exit code.")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "Leave out notes, the summary, and what was not looked at.")
	_ = cmd.MarkFlagRequired("filename") // fails where there is no such flag
	return cmd
}

func (o *options) run(cmd *cobra.Command, cluster premises.Cluster, screen func() term.Screen) error {
	given, err := premises.Load(cmd.Context(), cluster, o.Flags, cmd.InOrStdin())
	if err != nil {
		return err
	}
	set := manifest.Read(o.files, cmd.InOrStdin(), given.Reading)
	if err := premises.Troubles(set); err != nil && o.format == "text" && len(set.Objects) == 0 {
		return err // there is nothing else to say
	}
	report := Lint(set, given.World(), func(svc *corev1.Service) premises.Ruling {
		ruling, err := cluster.Ask(cmd.Context(), svc, false)
		if err != nil {
			ruling.Unasked = err.Error()
		}
		return ruling
	})
	if o.quiet {
		report = report.Without(Note)
	}
	if err := Write(cmd.OutOrStdout(), report, o.format, screen()); err != nil {
		return err
	}
	if o.format == "text" && !o.quiet {
		fmt.Fprintln(cmd.ErrOrStderr(), report.Summary())
		if report.Unknown != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), report.Unknown)
		}
		if o.poolless(given, set) {
			fmt.Fprintln(cmd.ErrOrStderr(), "No pool is in these files, so no Service is held against any: say what pools there are by --pools or --live.")
		}
	}
	if err := premises.Troubles(set); err != nil {
		return err
	}
	switch {
	case report.NotJudged != "":
		return errors.New(report.NotJudged)
	case report.Failed(o.strict):
		return premises.ErrFindings
	}
	return nil
}

// poolless says whether Services were judged without any pool, for want of files with some.
func (o *options) poolless(given *premises.Premises, set *manifest.Set) bool {
	return !o.Live && len(given.Objects.Pools)+len(set.Pools) == 0 && len(set.Services)+len(set.Reservations) > 0
}
