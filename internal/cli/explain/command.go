package explain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/internal/cli/manifest"
	"github.com/portolan-dev/portolan/internal/cli/premises"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/cli/world"
)

type options struct {
	premises.Flags
	files  []string
	format string
}

// New is the verb explain. Without a cluster (nil) it explains files by files. screen is that of the output, once flags are
// read.
func New(cluster premises.Cluster, screen func() term.Screen) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "explain (SERVICE... | -f FILE...)",
		Short: "Say what is decided about a Service, and why, step by step",
		Long: `Say of a manifest what would be decided about it and why: which pools its
namespace has, what is in the way of the numbers that it asks for, which would
be chosen, and the answer of admission, word for word. Of a live Service: how it
came to its numbers, and which rules it breaks.

The cluster is asked, unless --pools says what is there. Nothing is changed.
Where you may not read all that it is decided by, the API server judges by a dry
run with your rights.

Exit code 1: a manifest would be refused, or a live Service breaks rules.
2: there is no verdict, or something could not be read.`,
		Example: `  # What would become of a manifest
  kubectl portolan explain -f web.yaml

  # Without a cluster, by the pools in a file
  kubectl portolan explain -f web.yaml --pools pools.yaml

  # Why a live Service has the numbers that it has
  kubectl portolan explain web -n shop`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, cluster, screen, args) },
	}
	flags := cmd.Flags()
	flags.StringSliceVarP(&o.files, "filename", "f", nil, "Files and directories with Services; - is the standard input.")
	o.AddFilesTo(flags, false)
	flags.StringVarP(&o.format, "output", "o", "text", "The `format`: text, json or yaml.")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp)) // fails only where there is no such flag
	return cmd
}

func (o *options) run(cmd *cobra.Command, cluster premises.Cluster, screen func() term.Screen, names []string) error {
	o.Live = len(o.Pools) == 0
	switch {
	case len(names) == 0 == (len(o.files) == 0):
		return errors.New("name Services, or files with -f")
	case len(names) > 0 && !o.Live:
		return errors.New("a live Service is explained by its cluster: leave out --pools")
	}
	given, err := premises.Load(cmd.Context(), cluster, o.Flags, cmd.InOrStdin())
	if err != nil {
		return err
	}
	e := explainer{given.World(), cluster, cmd.Context()}
	accounts, err := o.accounts(given, e, cmd.InOrStdin(), names)
	if err != nil {
		return err
	}
	if err := write(cmd.OutOrStdout(), accounts, o.format, screen()); err != nil {
		return err
	}
	if err := verdicts(accounts); err != nil {
		return err
	}
	return found(accounts)
}

// found says whether anything is as it should not be.
func found(accounts []Account) error {
	for _, a := range accounts {
		if a.Answer.Verdict == Refused || a.Answer.Verdict == Breaking {
			return premises.ErrFindings
		}
	}
	return nil
}

// verdicts is an error where there is none about some Services.
func verdicts(accounts []Account) error {
	var without []string
	for _, a := range accounts {
		if a.Answer.Verdict == NotJudged {
			without = append(without, a.Subject)
		}
	}
	if len(without) == 0 {
		return nil
	}
	return errors.New("there is no verdict about " + strings.Join(without, ", "))
}

// explainer explains by what is known, or where that is not all asks the API server.
type explainer struct {
	*world.World
	cluster premises.Cluster
	ctx     context.Context //nolint:containedctx // it lives as long as a command
}

func (e explainer) manifest(svc *corev1.Service) (Account, error) {
	if !e.Partial || !numbered(svc) {
		return Manifest(e.World, svc), nil
	}
	return e.asked(svc, svc, false, Asked)
}

func (e explainer) live(svc *corev1.Service) (Account, error) {
	if !e.Partial || !numbered(svc) {
		return Live(e.World, svc), nil
	}
	return e.asked(svc, Again(svc), true, LiveAsked)
}

func (e explainer) asked(svc, question *corev1.Service, anew bool, account func(*world.World, *corev1.Service, Known) Account) (Account, error) {
	usages, err := e.cluster.Usages(e.ctx, svc.Namespace)
	if err != nil {
		return Account{}, err
	}
	ruling, err := e.cluster.Ask(e.ctx, question, anew)
	return account(e.World, svc, Known{usages, ruling}), err
}

func (o *options) accounts(given *premises.Premises, w explainer, stdin io.Reader, names []string) ([]Account, error) {
	var accounts []Account
	if len(names) > 0 && w.Missing(given.Reading.Namespace) {
		return nil, missing(given.Reading.Namespace)
	}
	for _, name := range names {
		svc := w.Service(types.NamespacedName{Namespace: given.Reading.Namespace, Name: name})
		if svc == nil {
			return nil, fmt.Errorf("there is no Service %q in namespace %q, or you may not read it", name, given.Reading.Namespace)
		}
		a, err := w.live(svc)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	set := manifest.Read(o.files, stdin, given.Reading)
	for _, ns := range set.Namespaces {
		w.SeeNamespace(ns.Name, ns.Value.Labels)
	}
	for _, s := range set.Services {
		if !s.Readable() {
			f := s.Flaws[0]
			return nil, manifest.Trouble{File: s.File, Line: s.LineOf(f.Field), Err: fmt.Errorf("%s: %s: %s", s.Object, f.Field, f.Text)}
		}
		if w.Missing(s.Namespace) {
			return nil, manifest.Trouble{File: s.File, Line: s.LineOf("metadata.namespace"), Err: missing(s.Namespace)}
		}
		a, err := w.manifest(s.Value)
		if err != nil {
			return nil, err
		}
		a.Where = fmt.Sprintf("%s:%d", s.File, s.Line())
		accounts = append(accounts, a)
	}
	err := premises.Troubles(set)
	if err == nil && len(accounts) == 0 {
		err = errors.New("there is no Service in the files")
	}
	return accounts, err
}

func missing(namespace string) error {
	return fmt.Errorf("there is no namespace %q: create it first (kubectl create namespace %s), or name another by -n", namespace, namespace)
}

// write writes accounts; in JSON and YAML one by itself, several as a list.
func write(out io.Writer, accounts []Account, format string, screen term.Screen) error {
	var all any = accounts
	if len(accounts) == 1 {
		all = accounts[0]
	}
	var text []byte
	var err error
	switch format {
	case "text":
		return writeTexts(out, accounts, screen)
	case "json":
		text, err = json.MarshalIndent(all, "", "  ")
		text = append(text, '\n')
	case "yaml":
		text, err = yaml.Marshal(all)
	default:
		err = fmt.Errorf("format %q is none of text, json, yaml", format)
	}
	if err == nil {
		_, err = out.Write(text)
	}
	return err
}

func writeTexts(out io.Writer, accounts []Account, screen term.Screen) error {
	for i, a := range accounts {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := Write(out, a, screen); err != nil {
			return err
		}
	}
	return nil
}
