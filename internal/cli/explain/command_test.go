package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/premises"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/cli/world"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func explained(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	return explainedOf(t, nil, stdin, args...)
}

func explainedOf(t *testing.T, cluster premises.Cluster, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := New(cluster, func() term.Screen { return term.Screen{} })
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	var out bytes.Buffer
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

const samples = "../../../config/samples"

func TestTheSamplesAreExplainedByTheirPools(t *testing.T) {
	out, err := explained(t, "", "-f", samples+"/services", "--pools", samples)
	if err != nil || strings.Count(out, "=> admitted with ") != 5 {
		t.Errorf("%v:\n%s", err, out)
	}
	out, err = explained(t, "", "-f", samples+"/services/podinfo.yaml", "--pools", samples, "-o", "json")
	var a Account
	if err != nil || json.Unmarshal([]byte(out), &a) != nil || a.Answer.Verdict != Admitted || !strings.HasSuffix(a.Where, "podinfo.yaml:1") {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestWhatTheAPIServerRefusesIsRefused(t *testing.T) {
	const clusterIP = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80, nodePort: 30153}]}"
	const want = "=> refused: The Service \"web\" is invalid:\n   * spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'\n"
	if out, err := explained(t, clusterIP, "-f", "-", "--pools", samples); !errors.Is(err, premises.ErrFindings) || !strings.Contains(out, want) {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestWhatCannotBeExplainedIsAnError(t *testing.T) {
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", nil, "name Services"},
		{"", []string{"web", "-f", "-"}, "name Services"},
		{"", []string{"web", "--pools", samples}, "leave out --pools"},
		{"", []string{"web"}, "no cluster"},
		{"kind: ConfigMap", []string{"-f", "-", "--pools", samples}, "no Service in the files"},
		{"apiVersion: v1\nkind: Service\nspec: {ports: [{nodePort: x}]}", []string{"-f", "-", "--pools", samples}, "-:3: "},
		{"", []string{"-f", samples + "/services", "--pools", samples, "-o", "html"}, "none of text, json, yaml"},
	} {
		if out, err := explained(t, c.stdin, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q\n%s", c.args, err, c.want, out)
		}
	}
}

// partial is a premises.Cluster whose caller may read little of it.
type partial struct {
	usages []v1alpha1.NodePortUsage
	ruling premises.Ruling
	all    bool // it may read all, and there is nothing
}

func (c partial) Objects(context.Context) (world.Objects, string, error) {
	return world.Objects{Partial: !c.all, Services: []corev1.Service{*MakeService("sandbox/live").NodePort(80, 30601, Named("http")).Obj()}},
		"You may not list nodeportpools.", nil
}
func (c partial) Ask(context.Context, *corev1.Service, bool) (premises.Ruling, error) {
	return c.ruling, nil
}
func (c partial) Usages(context.Context, string) ([]v1alpha1.NodePortUsage, error) {
	return c.usages, nil
}
func (partial) Namespace() (string, error)                { return "sandbox", nil }
func (partial) ClusterRange() (v1alpha1.PortRange, error) { return v1alpha1.PortRange{}, nil }
func (partial) Now() time.Time                            { return now }

// A tenant is not told what follows from the little that he may read, but what the API server says.
func TestWhereNotAllMayBeReadTheVerdictIsTheAPIServers(t *testing.T) {
	usage := v1alpha1.NodePortUsage{ObjectMeta: metav1.ObjectMeta{Namespace: "sandbox", Name: "sand"}}
	usage.Status.Ranges, usage.Status.Used, usage.Status.Limit, usage.Status.NodePorts = "30600-30609,30615", 1, new(int32(4)), []int32{30601}
	manifest := "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: NodePort, ports: [{port: 80, nodePort: %d}]}\n"
	there := MakeService("sandbox/web").NodePort(80, 30600).Obj()
	refusal := premises.Ruling{Errors: []premises.Refusal{{Field: "spec.ports[0].nodePort", Text: "spec.ports[0].nodePort: Invalid value: 31500: not in the ranges"}}}
	draining := premises.Ruling{Errors: []premises.Refusal{{Text: "spec.ports[0].nodePort: Invalid value: 30601: pool \"sand\" hands out nothing new (allocation: None)"}}}
	inUse := premises.Ruling{Errors: []premises.Refusal{{Text: "spec.ports[0].nodePort: Invalid value: 30601: provided port is already allocated"}}}
	unasked := premises.Ruling{Unasked: "you may not create Services"}
	for _, tt := range []struct {
		name   string
		number int // 0: the live Service is explained
		ruling premises.Ruling
		err    bool
	}{
		{"asked-admitted", 30600, premises.Ruling{Service: there}, false},
		{"asked-refused", 31500, refusal, false},
		{"asked-unknown", 30600, unasked, true},
		{"asked-live", 0, inUse, false},
		{"asked-live-breaking", 0, refusal, false},
		{"asked-live-draining", 0, draining, false},
		{"asked-live-unknown", 0, unasked, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args, stdin := []string{"-f", "-"}, fmt.Sprintf(manifest, tt.number)
			if tt.number == 0 {
				args = []string{"live"}
			}
			out, err := explainedOf(t, partial{usages: []v1alpha1.NodePortUsage{usage}, ruling: tt.ruling}, stdin, args...)
			if noVerdict := err != nil && !errors.Is(err, premises.ErrFindings); noVerdict != tt.err {
				t.Error(err)
			}
			golden.Assert(t, out, tt.name+".golden")
		})
	}
}

func TestANamespaceThatIsNotThereIsAnError(t *testing.T) {
	const manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: NodePort, ports: [{port: 80}]}\n"
	for _, args := range [][]string{{"live"}, {"-f", "-"}} {
		if out, err := explainedOf(t, partial{all: true}, manifest, args...); err == nil || !strings.Contains(err.Error(), `there is no namespace "sandbox"`) {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}

func TestWhatWouldBeRefusedOrBreaksRulesIsAFinding(t *testing.T) {
	const manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: NodePort, ports: [{port: 80, nodePort: %d}]}"
	for number, want := range map[int]error{8080: premises.ErrFindings, 31099: nil} {
		out, err := explained(t, fmt.Sprintf(manifest, number), "-f", "-", "--pools", samples)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%d: got %v, want %v\n%s", number, err, want, out)
		}
		if !strings.Contains(out, "=> ") {
			t.Errorf("%d: it is not explained: %s", number, out)
		}
	}
	for verdict, want := range map[Verdict]error{Admitted: nil, Refused: premises.ErrFindings, NotJudged: nil, Conforming: nil, Breaking: premises.ErrFindings} {
		if got := found([]Account{{}, {Answer: Answer{Verdict: verdict}}}); !errors.Is(got, want) {
			t.Errorf("%s: got %v, want %v", verdict, got, want)
		}
	}
}
