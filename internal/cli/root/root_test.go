package root

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gotest.tools/v3/golden"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/internal/cli/session"
)

const reference = "../../../../docs/reference/kubectl-portolan.md" // as seen from testdata

func TestTheReferenceSaysWhatTheHelpSays(t *testing.T) {
	golden.Assert(t, referenceOf(command(t)), reference)
}

// command is the program's, of somebody whose home is nowhere in particular.
func command(t *testing.T) *cobra.Command {
	t.Helper()
	t.Setenv("HOME", "/home/me")
	t.Setenv("KUBECACHEDIR", "")
	return New(session.New(genericiooptions.NewTestIOStreamsDiscard(), clock.RealClock{}, func(string) string { return "" }), "v1.2.3")
}

// referenceOf is the page, made from the commands themselves.
func referenceOf(cmd *cobra.Command) string {
	var page strings.Builder
	fmt.Fprintf(&page, `# kubectl portolan

%s

It is about the namespace of -n, else of your kubeconfig's context. Where you may read namespaces, and there is none of that name,
`+"`map -n`, `list`, `check` and `export`"+` say so, and end with 2. A pool of `+"`--pool`"+` that nobody knows of is an error, too.

It ends with 0; with 1 where a verb has found what should not be; and with 2 for wrong usage, and where the cluster does not
answer. It needs no rights but those to read what it shows, and to change what it changes: who may not is told which role gives
that right.

`, cmd.Long)
	for _, verb := range verbs(cmd) {
		fmt.Fprintf(&page, "- [`%s`](#%s): %s\n", verb.Name(), verb.Name(), verb.Short)
	}
	for _, verb := range verbs(cmd) {
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n```\n%s\n```\n\n```\n%s\n```\n", verb.Name(), verb.Long, verb.UseLine(), unindent(verb.Example))
		flagsOf(&page, verb.LocalNonPersistentFlags())
	}
	page.WriteString("\n## Flags of all verbs\n")
	flagsOf(&page, cmd.PersistentFlags())
	page.WriteString(`
## Completion

With kubectl's own completion set up, put [` + "`kubectl_complete-portolan`" + `](../../cmd/kubectl-portolan/kubectl_complete-portolan) on the PATH,
beside ` + "`kubectl-portolan`" + `: then verbs, flags, pools, namespaces and numbers complete. For the program by its own name,
` + "`kubectl-portolan completion bash`" + ` (or zsh, fish, powershell) prints a script.
`)
	return page.String()
}

// verbs are the commands that are about node ports.
func verbs(cmd *cobra.Command) []*cobra.Command {
	var found []*cobra.Command
	for _, verb := range cmd.Commands() {
		if verb.GroupID != "" {
			found = append(found, verb)
		}
	}
	return found
}

func unindent(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "  "), "\n  ", "\n")
}

func flagsOf(page *strings.Builder, flags *pflag.FlagSet) {
	page.WriteString("\n| flag | default | |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		placeholder, text := pflag.UnquoteUsage(f)
		if placeholder != "" {
			name += " " + strings.ToUpper(placeholder)
		}
		byDefault := ""
		if f.DefValue != "" && f.DefValue != "[]" {
			byDefault = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(page, "| `%s` | %s | %s |\n", name, byDefault, strings.ReplaceAll(text, "|", `\|`))
	})
}

func TestEveryVerbHasHelpThatSaysWhatItIsFor(t *testing.T) {
	for _, verb := range verbs(command(t)) {
		switch {
		case verb.Short == "" || verb.Long == "" || verb.Example == "":
			t.Errorf("%s lacks a short text, a long one, or examples", verb.Name())
		case strings.HasSuffix(verb.Short, "."):
			t.Errorf("%s: the short text ends in a full stop", verb.Name())
		}
		for line := range strings.Lines(verb.Long) {
			if len(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("%s: a line is wider than the help: %s", verb.Name(), line)
			}
		}
		for line := range strings.Lines(verb.Example) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !strings.Contains(line, "kubectl portolan "+verb.Name()) {
				t.Errorf("%s: an example is of something else: %s", verb.Name(), line)
			}
		}
		verb.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s says nothing of itself", verb.Name(), f.Name)
			}
		})
	}
}

// Who has no kubeconfig can lint all the same, and CI goes by the exit code.
func TestLintNeedsNoCluster(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	const manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  type: NodePort\n  ports:\n  - port: 80\n    nodePort: 8080\n"
	if err := os.WriteFile(bad, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	const samples = "../../../config/samples"
	for _, tt := range []struct {
		file string
		code int
		want string
	}{
		{samples, 0, samples + "/services/my-nodeport-service.yaml:12: warning: Service \"default/my-nodeport-service\": node port 30007 is open"},
		{bad, exitFindings, bad + ":8: error: Service \"default/web\": spec.ports[0].nodePort: Invalid value: 8080: "},
		{"none.yaml", exitTrouble, "error: none.yaml: "},
	} {
		var out, errOut bytes.Buffer
		code := Run(t.Context(), "v1.2.3", genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut}, []string{"lint", "-f", tt.file})
		if code != tt.code || !strings.Contains(out.String()+errOut.String(), tt.want) {
			t.Errorf("%s: exit code %d, want %d and %s:\n%s%s", tt.file, code, tt.code, tt.want, &out, &errOut)
		}
	}
}

// Whose cluster does not answer, or who has named none, is told so in a line, however much was asked of it.
func TestWhereThereIsNoClusterALineSaysWhatToDo(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	klog.SetLogger(logr.Discard()) // as main does
	const service = "../../../config/samples/services/podinfo.yaml"
	for _, verb := range []string{"explain web", "explain -f " + service, "lint --live -f " + service, "check", "check web"} {
		for flag, want := range map[string]string{
			"--kubeconfig=":                "error: there is no kubeconfig: name one by KUBECONFIG or --kubeconfig, or a cluster by --server",
			"--kubeconfig=/nonexistent":    "error: stat /nonexistent: no such file or directory; see KUBECONFIG, --kubeconfig and --context",
			"--server=https://127.0.0.1:1": "error: the cluster cannot be reached: Get \"https://127.0.0.1:1/",
		} {
			t.Run(verb+" "+flag, func(t *testing.T) {
				var out, errOut bytes.Buffer
				code := Run(t.Context(), "v1.2.3", genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut}, append(strings.Fields(verb), flag))
				if code != exitTrouble || !strings.HasPrefix(errOut.String(), want) || strings.Count(errOut.String(), "\n") != 1 || out.Len() > 0 {
					t.Errorf("exit code %d, want %q:\n%s%s", code, want, &out, &errOut)
				}
			})
		}
	}
}

func TestMistakesEndWithExitCode2AndSayWhereTheHelpIs(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"lst"}, `error: there is no verb "lst", but list and lint; see kubectl portolan --help`},
		{[]string{"frobnicate"}, `error: there is no verb "frobnicate"; see kubectl portolan --help`},
		{[]string{"map", "--nope"}, `error: unknown flag: --nope; see kubectl portolan map --help`},
		{[]string{"map", "--color=pink"}, `error: invalid argument "pink" for "--color" flag: it must be auto, always or never; see kubectl portolan map --help`},
		{[]string{"map", "--kubeconfig=/dev/null", "--context=nope"}, `error: invalid configuration: context was not found for specified context: nope; see KUBECONFIG, --kubeconfig and --context`},
		{[]string{"who", "web"}, `error: "web" is no port number: want 1 to 65535, such as 30080; for the numbers of a Service see kubectl portolan list`},
		{[]string{"list", "shop"}, `error: list takes no arguments, and got "shop": did you mean -n shop or --pool shop? See kubectl portolan list --help`},
		{[]string{"doctor", "shop"}, `error: doctor takes no arguments, and got "shop": did you mean -n shop? See kubectl portolan doctor --help`},
		{[]string{"lint", "x.yaml"}, `error: lint takes no arguments, and got "x.yaml": did you mean -f x.yaml? See kubectl portolan lint --help`},
		{[]string{"lint"}, `error: lint wants -f FILE..., and got no --filename; see kubectl portolan lint --help`},
		{[]string{"who"}, `error: who wants NUMBER..., and got nothing; see kubectl portolan who --help`},
		{[]string{"reserve", "a", "b"}, `error: reserve wants SERVICE, and got "a" "b"; see kubectl portolan reserve --help`},
		{[]string{"export", "foo"}, `error: export wants FORMAT, one of haproxy, nginx, nftables, iptables, dns, csv, json, tfvars, prometheus-sd, and got "foo"; see kubectl portolan export --help`},
		{[]string{"export"}, `error: export wants FORMAT, one of haproxy, nginx, nftables, iptables, dns, csv, json, tfvars, prometheus-sd, and got nothing; see kubectl portolan export --help`},
		{[]string{"list", "--idle", "soon", "--kubeconfig=/dev/null"}, `error: --idle "soon": it must be a time such as 30d, 2w or 36h`},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := Run(t.Context(), "v1.2.3", genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut}, tt.args)
			if got := strings.TrimSpace(errOut.String()); code != exitTrouble || got != tt.want || out.Len() > 0 {
				t.Errorf("got exit code %d, %q and %q, want %d and %q", code, &out, got, exitTrouble, tt.want)
			}
		})
	}
}

// Whatever a verb reads, and however often: what is wrong is said once, with what to do.
func TestAClusterOutOfReachIsSaidInOneLine(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close() // nobody is there any more
	for _, verb := range []string{"map", "list", "list -A", "who 30080", "check", "doctor", "ui", "export csv", "export csv -A", "reserve web", "release 30080 --yes"} {
		t.Run(verb, func(t *testing.T) {
			var out, errOut bytes.Buffer
			args := append(strings.Fields(verb), "--kubeconfig=/dev/null", "--server=https://"+listener.Addr().String())
			code := Run(t.Context(), "v1.2.3", genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut}, args)
			said := errOut.String()
			if code != exitTrouble || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "error: the cluster cannot be reached: ") || !strings.Contains(said, "--context") {
				t.Errorf("exit code %d: %s%s", code, &out, said)
			}
		})
	}
}

// A server that takes connections and says nothing: --request-timeout holds for all that is asked of it.
func TestTheRequestTimeoutHoldsForTheWholeCall(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const timeout = time.Second
	for _, verb := range []string{"map", "doctor", "export csv -A"} {
		t.Run(verb, func(t *testing.T) {
			var errOut bytes.Buffer
			args := append(strings.Fields(verb), "--kubeconfig=/dev/null", "--server=http://"+listener.Addr().String(), "--request-timeout="+timeout.String())
			began := time.Now()
			code := Run(t.Context(), "v1.2.3", genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: &errOut}, args)
			if took := time.Since(began); code != exitTrouble || took > 2*timeout || !strings.Contains(errOut.String(), "the cluster cannot be reached: ") {
				t.Errorf("exit code %d after %s: %s", code, took, &errOut)
			}
		})
	}
}
