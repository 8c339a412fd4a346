package lint

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/premises"
	"github.com/portolan-dev/portolan/internal/cli/world"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// fakeCluster is a premises.Cluster.
type fakeCluster struct {
	objects world.Objects
	ruling  premises.Ruling
	err     error
}

func (c fakeCluster) Objects(context.Context) (world.Objects, string, error) {
	return c.objects, "You may not list nodeportnodestates.", c.err
}
func (c fakeCluster) Ask(context.Context, *corev1.Service, bool) (premises.Ruling, error) {
	return c.ruling, nil
}
func (fakeCluster) Usages(context.Context, string) ([]v1alpha1.NodePortUsage, error) { return nil, nil }
func (fakeCluster) Namespace() (string, error)                                       { return "shop", nil }
func (fakeCluster) ClusterRange() (v1alpha1.PortRange, error)                        { return v1alpha1.PortRange{}, nil }
func (fakeCluster) Now() time.Time                                                   { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

// live runs the verb against a cluster in which Service api of namespace shop has 30080.
func live(t *testing.T, stdin string, err error) (out, errOut string, _ error) {
	t.Helper()
	api := MakeService("shop/api").UID("uid").NodePort(80, 30080, Named("http")).Obj()
	a := v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: "30080"}}
	a.Spec.ServiceRef, a.Spec.ServiceUID = v1alpha1.ServiceReference{Namespace: "shop", Name: "api"}, "uid"
	return runLive(t, stdin, fakeCluster{objects: world.Objects{
		Services: []corev1.Service{*api}, Allocations: []v1alpha1.NodePortAllocation{a},
		Namespaces: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}},
	}, err: err})
}

func runLive(t *testing.T, stdin string, cluster fakeCluster) (out, errOut string, _ error) {
	t.Helper()
	cmd := New(cluster, plain)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	stdout, stderr := &bytes.Buffer{}, &bytes.Buffer{}
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetArgs([]string{"-f", "-", "--live"})
	err := cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

// Who may not read all that decides gets the API server's verdict, and none of lint's own.
func TestWhereNotAllMayBeReadTheAPIServerJudges(t *testing.T) {
	refusal := premises.Refusal{Field: "spec.ports[0].nodePort", Text: "spec.ports[0].nodePort: Invalid value: 30080: not in the node port ranges"}
	for _, tt := range []struct {
		name, stdin string
		ruling      premises.Ruling
		want        string // is printed; empty: nothing is
		err         string
	}{
		{"admitted", web, premises.Ruling{}, "", ""},
		{"refused", web, premises.Ruling{Errors: []premises.Refusal{refusal}}, `-:8: error: Service "shop/web": ` + refusal.Text, premises.ErrFindings.Error()},
		{"warned of", web, premises.Ruling{Warnings: []string{refusal.Text}}, `-:8: warning: Service "shop/web": ` + refusal.Text, ""},
		{"twice in the files", web + "---\n" + strings.Replace(web, "name: web", "name: two", 1), premises.Ruling{}, `already allocated to Service "web" in this namespace (by`, premises.ErrFindings.Error()},
		{"not to be asked", web, premises.Ruling{Unasked: "you may not create Services"}, "", "Services are not judged: you may not read all that they are decided by, and you may not create Services"},
		{"a pool", "apiVersion: portolan.dev/v1alpha1\nkind: NodePortPool\nmetadata: {name: p}\nspec: {ranges: [{from: 30100, to: 30101}]}\n", premises.Ruling{},
			`-:1: warning: NodePortPool "p": not judged`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, errOut, err := runLive(t, tt.stdin, fakeCluster{objects: world.Objects{Partial: true}, ruling: tt.ruling})
			if (out == "") != (tt.want == "") || !strings.Contains(out, tt.want) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v:\n%s%s", err, out, errOut)
			}
		})
	}
}

func TestANamespaceThatIsNotInTheClusterIsAnError(t *testing.T) {
	out, _, err := live(t, strings.Replace(web, "name: web", "name: web, namespace: nope", 1), nil)
	if !errors.Is(err, premises.ErrFindings) || !strings.Contains(out, `there is no namespace "nope": create it first`) {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestAgainstAClusterItsNumbersCount(t *testing.T) {
	out, errOut, err := live(t, web, nil)
	if !errors.Is(err, premises.ErrFindings) || !strings.Contains(out, `-:8: error: Service "shop/web": spec.ports[0].nodePort: Invalid value: 30080: already allocated to Service "api" in this namespace; free now: 30000, 30001, 30002`+"\n") {
		t.Errorf("%v:\n%s", err, out)
	}
	if !strings.Contains(errOut, "You may not list nodeportnodestates.") || strings.Contains(errOut, "files alone") {
		t.Errorf("what is not known is not said: %s", errOut)
	}
}

func TestALiveServiceKeepsItsNumber(t *testing.T) {
	if out, _, err := live(t, strings.Replace(web, "name: web", "name: api", 1), nil); err != nil || out != "" {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestAPoolSaysWhatComesOfItForLiveServices(t *testing.T) {
	const pool = "apiVersion: portolan.dev/v1alpha1\nkind: NodePortPool\nmetadata: {name: p}\nspec: {ranges: [{from: 30100, to: 30101}]}\n"
	out, _, err := live(t, pool, nil)
	if err != nil || !strings.Contains(out, `-:1: warning: NodePortPool "p": live Services that would be refused then, were they created now: 1 (shop/api). They keep their numbers`) {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestAClusterThatCannotBeReadIsTrouble(t *testing.T) {
	away := errors.New("away")
	if _, _, err := live(t, web, away); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}

// Reservations of files keep their numbers from others, be they given or judged themselves.
func TestReservedNumbersAreNotForOthers(t *testing.T) {
	const reservation = "---\napiVersion: portolan.dev/v1alpha1\nkind: NodePortReservation\nmetadata: {name: r}\nspec: {serviceName: later, ports: [{name: http, nodePort: 30080}]}\n"
	const refused = `Invalid value: 30080: reserved for Service "later" in this namespace by NodePortReservation "r"`
	out, _, err := run(t, web+reservation, "-f", "-")
	if !errors.Is(err, premises.ErrFindings) || !strings.Contains(out, refused) {
		t.Errorf("%v:\n%s", err, out)
	}
	if out, _, err := run(t, web+reservation, "-f", "testdata/web.yaml", "--pools", "-"); !errors.Is(err, premises.ErrFindings) || !strings.Contains(out, refused) {
		t.Errorf("%v:\n%s", err, out)
	}
	if out, _, err := run(t, strings.Replace(web, "name: web", "name: later", 1)+reservation, "-f", "-"); err != nil {
		t.Errorf("its own Service: %v:\n%s", err, out)
	}
}

func TestServicesWithoutANameAreNotOneService(t *testing.T) {
	nameless := strings.Replace(web, "name: web", "generateName: web-", 1)
	if out, _, err := run(t, nameless, "-f", "-"); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	if out, _, err := run(t, nameless+"---\n"+nameless, "-f", "-"); !errors.Is(err, premises.ErrFindings) || !strings.Contains(out, "already allocated") {
		t.Errorf("%v:\n%s", err, out)
	}
}
