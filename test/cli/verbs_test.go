package cli

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// trial is a command line that is tried on each kind of screen.
type trial struct {
	line string
	code int
	want string // is in what it prints, whatever the screen
	// colourful: something in it stands out where there are colours.
	colourful bool
	// whole: its lines are not broken: other programs read them.
	whole bool
}

// tryOnEachScreen runs the command lines at the widths 80 and 200, with and without colours. All verbs must be among them.
func tryOnEachScreen(t *testing.T, trials []trial) {
	t.Helper()
	tried := map[string]bool{"ui": true} // for which there is no screen: see TestThePageIsLive, and fullPage
	for _, tt := range trials {
		tried[strings.Fields(tt.line)[0]] = true
		t.Run(tt.line, func(t *testing.T) {
			for _, width := range []int{80, 200} {
				plain, coloured := tt.on(t, width, "never"), tt.on(t, width, "always")
				same := func(text string) string { return took.ReplaceAllString(sameEachTime(text), "some ms") }
				if got := same(escapes.ReplaceAllString(coloured, "")); got != same(plain) {
					t.Errorf("width %d: with colours it says something else:\n%s\nwithout:\n%s", width, got, plain)
				}
				if tt.colourful != strings.Contains(coloured, "\x1b[") || strings.Contains(plain, "\x1b[") {
					t.Errorf("width %d: with colours: %q, without: %q", width, coloured, plain)
				}
			}
		})
	}
	for line := range strings.Lines(operator(t).run("__complete", "").out) {
		verb, _, isVerb := strings.Cut(line, "\t")
		if isVerb && !tried[verb] && !slices.Contains([]string{"completion", "help", "options"}, verb) {
			t.Errorf("verb %s is not tried", verb)
		}
	}
}

var (
	took    = regexp.MustCompile(`\d+ ms`)
	escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")
	// unbroken are lines that are copied, or that are of another program's: commands, and errors, which hold some.
	unbroken = regexp.MustCompile(`^ *(\$ |error: )|kubectl (-n |get |portolan )`)
)

// on runs the command line on a screen, and returns what is on it.
func (tt trial) on(t *testing.T, width int, colour string) string {
	t.Helper()
	got := operator(t).runIn([]string{fmt.Sprint("COLUMNS=", width), "LANG=C"}, append(strings.Fields(tt.line), "--color="+colour)...)
	wantCode(t, got, tt.code)
	text := got.out + got.errOut
	if !strings.Contains(unwrapped(escapes.ReplaceAllString(text, "")), tt.want) {
		t.Errorf("want %q:\n%s", tt.want, text)
	}
	for line := range strings.Lines(text) {
		seen := escapes.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
		if utf8.RuneCountInString(seen) > width && !tt.whole && !unbroken.MatchString(seen) {
			t.Errorf("it is wider than %d: %s", width, line)
		}
	}
	return text
}

// emptyCluster is what verbs say where there is nothing.
func emptyCluster(t *testing.T) {
	writeBadManifest(t)
	tryOnEachScreen(t, []trial{
		{line: "map", want: "0 of 2768 in use, 2768 free", colourful: true},
		{line: "who 30100", want: "30100 is free.", colourful: true},
		{line: "list -A", want: "No node port is in use in the cluster."},
		{line: "check -A", want: "There is no Service with a node port in the cluster."},
		{line: "doctor", want: "no pools: every namespace may have every number", colourful: true},
		{line: "version", want: "kubectl-portolan "},
		{line: "export csv -A", want: "node_port", whole: true},
		{line: "lint --live -f bad.yaml", code: 1, want: "bad.yaml:8: error: Service \"default/web\"", colourful: true, whole: true},
		{line: "explain -f bad.yaml", code: 1, want: "=> refused", colourful: true},
		{line: "explain nobody", code: 2, want: `there is no Service "nobody" in namespace "default"`},
		{line: "reserve web --dry-run=server", want: "nodeportreservation.portolan.dev/web reserved (server dry run)"},
		{line: "release 30100 --yes", code: 1, want: "30100 is not held: nobody has it"},
		{line: "move web --to 30100", code: 2, want: "there is no Service web in namespace default"},
	})
}

// writeBadManifest has bad.yaml be in the working directory: in line 8 it asks for a number that no Service can have.
func writeBadManifest(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	must(t, os.WriteFile("bad.yaml", []byte(badManifest), 0o600))
}

const badManifest = `apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: NodePort
  ports:
  - {port: 80, nodePort: 8080}
`

// The full cluster: 40 teams with a pool of 60 numbers each, and two Services of 19.
const (
	teams        = 40
	poolSize     = 60
	portsPerTeam = 2 * 19
)

// TestVerbsInAFullCluster is the last one: it leaves no number to the others.
func TestVerbsInAFullCluster(t *testing.T) {
	clearCluster(t)
	fill(t)
	numbers := portsOf(t, "team-07", "web-0")
	writeBadManifest(t)
	first := fmt.Sprint(numbers[0])
	tryOnEachScreen(t, []trial{
		{line: "map", want: "team-39", colourful: true},
		{line: "map --unfold -n team-07", want: "38 of 2768 in use, 1482 of other namespaces", colourful: true},
		{line: "map --pool team-07", want: "38 of 60 in use", colourful: true},
		{line: "who " + strings.Trim(fmt.Sprint(numbers), "[]"), want: first + " is in use by Service team-07/web-0.", colourful: true},
		{line: "list -A", want: "team-39"},
		{line: "list -n team-07 --pool team-07", want: first},
		{line: "check web-0 -n team-07 --address 127.0.0.1", code: 1, want: "refused", colourful: true},
		{line: "doctor -n team-07", want: "1520 numbers in the ledger", colourful: true},
		{line: "export csv -A", want: "team-39", whole: true},
		{line: "lint --live -f bad.yaml -n team-07", code: 1, want: "error: Service \"team-07/web\"", colourful: true, whole: true},
		{line: "explain web-0 -n team-07", want: first, colourful: true},
		{line: "reserve more -n team-07 --dry-run=server", want: "reserved (server dry run)"},
		{line: "version", want: "kubectl-portolan "},
		{line: "release " + first + " --yes", code: 1, want: first + " is in use by Service team-07/web-0"},
		{line: "move web-0 -n team-07 --to 30100", code: 2, want: "say which by --port"},
	})
	t.Run("programs are told of each", func(t *testing.T) {
		u := operator(t)
		if got := strings.Count(u.run("list", "-A", "-o", "name").out, "\n"); got != teams*portsPerTeam {
			t.Errorf("%d are listed", got)
		}
		if got := strings.Count(u.run("map", "-o", "json").out, `"state": "InUse"`); got != teams*portsPerTeam {
			t.Errorf("%d are on the map", got)
		}
	})
	t.Run("the page has all of them", func(t *testing.T) {
		p := startPage(operator(t))
		p.await(t, fmt.Sprintf(`"ns":"team-%02d"`, teams-1))
		must(t, p.cmd.Process.Signal(os.Interrupt))
		must(t, p.cmd.Wait())
	})
}

// clearCluster takes away what other tests have left.
func clearCluster(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	var services corev1.ServiceList
	must(t, site.List(ctx, &services))
	for i := range services.Items {
		if svc := &services.Items[i]; svc.Spec.Type == corev1.ServiceTypeNodePort {
			must(t, site.Delete(ctx, svc))
		}
	}
	for _, namespace := range []string{"shop", "secret-space"} {
		must(t, site.DeleteAllOf(ctx, &v1alpha1.NodePortReservation{}, client.InNamespace(namespace)))
	}
	eventually(t, "no pool is in use", func() error {
		if err := site.DeleteAllOf(ctx, &v1alpha1.NodePortPool{}); err != nil {
			return err
		}
		var ledger v1alpha1.NodePortAllocationList
		must(t, site.List(ctx, &ledger))
		for i := range ledger.Items { // with the rights of an operator who releases them
			must(t, client.IgnoreNotFound(site.Delete(ctx, &ledger.Items[i])))
		}
		if len(ledger.Items) > 0 {
			return fmt.Errorf("there are %d allocations", len(ledger.Items))
		}
		return nil
	})
}

// fill makes the teams, some side by side, and waits until the ledger has all that they use.
func fill(t *testing.T) {
	t.Helper()
	const atATime = 4
	var making sync.WaitGroup
	errs := make(chan error, teams)
	for first := range atATime {
		making.Go(func() {
			for i := first; i < teams; i += atATime {
				errs <- makeTeam(t, i)
			}
		})
	}
	making.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
	eventually(t, "all numbers are in use", func() error {
		got := operator(t).run("list", "-A", "--state", "bound", "-o", "name")
		if n := strings.Count(got.out, "\n"); n != teams*portsPerTeam {
			return fmt.Errorf("%d are: %s", n, got.errOut)
		}
		return nil
	})
}

func makeTeam(t *testing.T, i int) error {
	name := fmt.Sprintf("team-%02d", i)
	if err := create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		return err
	}
	pool := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	from := int32(30100 + i*poolSize)
	pool.Spec.Ranges = []v1alpha1.PortRange{{From: from, To: from + poolSize - 1}}
	pool.Spec.NamespaceSelector.MatchLabels = map[string]string{corev1.LabelMetadataName: name}
	if err := create(t, pool); err != nil {
		return err
	}
	for j := range 2 {
		svc := MakeService(fmt.Sprintf("%s/web-%d", name, j))
		for k := range int32(portsPerTeam / 2) {
			svc.NodePort(80+k, from+int32(j)*poolSize/2+k, Named(fmt.Sprint("port-", k)))
		}
		if err := create(t, svc.Obj()); err != nil {
			return err
		}
	}
	return nil
}

// create tries again where the API server has no time: much is made at once; and where the policy still knows pools that
// are gone, as it does for up to a second.
func create(t *testing.T, object client.Object) error {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(poll) {
		again := object.DeepCopyObject().(client.Object)
		if err = client.IgnoreAlreadyExists(site.Create(t.Context(), again)); !passes(err) {
			return err
		}
	}
	return err
}

// passes tells whether the next try may go well.
func passes(err error) bool {
	return apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || err != nil && strings.Contains(err.Error(), admissionpolicy.Name)
}

// portsOf are the first numbers of a Service.
func portsOf(t *testing.T, namespace, name string) []int32 {
	t.Helper()
	svc := &corev1.Service{}
	must(t, site.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, svc))
	var numbers []int32
	for _, p := range svc.Spec.Ports[:5] {
		numbers = append(numbers, p.NodePort)
	}
	return numbers
}
