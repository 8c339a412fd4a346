package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/portolan-dev/portolan/internal/cli/crdschema"
)

func options(t *testing.T) Options {
	t.Helper()
	schemas, err := crdschema.Load()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Namespace: "default", Schemas: schemas}
}

func read(t *testing.T, text string) *Set {
	t.Helper()
	return Read([]string{"-"}, strings.NewReader(text), options(t))
}

const two = `# A comment.
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {portolan.dev/pool: team-a}
spec:
  type: NodePort
  ports:
  - name: http
    port: 80
    nodePort: 30080
  - {name: udp, port: 80, protocol: UDP,
     nodePort: 30081}
---
# Another document.
apiVersion: v1
kind: Namespace
metadata:
  name: shop
`

func TestFieldsAreFoundWhereTheyStand(t *testing.T) {
	set := read(t, two)
	svc, ns := set.Services[0], set.Namespaces[0]
	for _, c := range []struct {
		object *Object
		field  string
		want   int
	}{
		{svc.Object, "", 2},
		{svc.Object, "metadata.name", 5},
		{svc.Object, "metadata.annotations[portolan.dev/pool]", 6},
		{svc.Object, "spec.ports", 9},
		{svc.Object, "spec.ports[0]", 10},
		{svc.Object, "spec.ports[0].nodePort", 12},
		{svc.Object, "spec.ports[1].nodePort", 14},
		{svc.Object, "spec.ports[0].targetPort", 10}, // left out: where its entry stands
		{svc.Object, "spec.ports[7].nodePort", 9},
		{svc.Object, "nowhere", 2},
		{ns.Object, "", 17},
		{ns.Object, "metadata.name", 20},
	} {
		if got := c.object.LineOf(c.field); got != c.want {
			t.Errorf("%s %s: got line %d, want %d", c.object, c.field, got, c.want)
		}
	}
}

func TestJSONAndListsAreReadLikeYAML(t *testing.T) {
	const json = `{
	"apiVersion": "v1", "kind": "List", "items": [
		{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}},
		{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b", "namespace": "shop"},
		 "spec": {"ports": [
			{"port": 80,
			 "nodePort": 30080}]}}
	]}`
	set := read(t, json)
	if len(set.Troubles) > 0 || len(set.Services) != 2 {
		t.Fatalf("got %+v", set)
	}
	a, b := set.Services[0], set.Services[1]
	if a.String() != `Service "default/a"` || a.Line() != 3 || b.String() != `Service "shop/b"` || b.LineOf("spec.ports[0].nodePort") != 7 {
		t.Errorf("got %s in line %d, and %s with a number in line %d", a, a.Line(), b, b.LineOf("spec.ports[0].nodePort"))
	}
}

// flaws are "line field: text".
func flaws(o *Object) []string {
	var all []string
	for _, f := range o.Flaws {
		all = append(all, fmt.Sprintf("%d %s: %s", o.LineOf(f.Field), f.Field, f.Text))
	}
	return all
}

func TestWhatTheAPIServerWouldNotReadIsAFlawInItsLine(t *testing.T) {
	const pool = "apiVersion: portolan.dev/v1alpha1\nkind: NodePortPool\nmetadata: {name: p}\nspec:\n  ranges: [{from: 30000, to: 30001}]\n"
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports:\n  - port: 80\n"
	for _, c := range []struct {
		name, text string
		want       []string
		readable   bool
	}{
		{name: "none", text: pool, readable: true},
		{name: "a field that a Service does not have", text: service + "    nodePrt: 30080\n",
			want: []string{`7 spec.ports[0].nodePrt: unknown field`}, readable: true},
		{name: "a number in quotes", text: service + "  - port: 81\n    nodePort: \"30080\"\n",
			want: []string{`8 spec.ports[1].nodePort: is a string and must be a number`}},
		{name: "a number that no port can have", text: service + "    nodePort: 99999999999\n",
			want: []string{`7 spec.ports[0].nodePort: 99999999999 is none of the numbers that it may be`}},
		{name: "ports that are no list", text: "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports: {port: 80}\n",
			want: []string{`5 spec.ports: is a mapping and must be a list`}},
		{name: "a field that a pool does not have", text: pool + "  hold: 5\n", want: []string{`6 spec.hold: unknown field`}, readable: true},
		{name: "a value that is not among those allowed", text: pool + "  strategy: Best\n",
			want: []string{`6 spec.strategy: Unsupported value: "Best": supported values: "Random", "Stable"`}},
		{name: "a rule of the kind", text: strings.Replace(pool, "to: 30001", "to: 29999", 1),
			want: []string{`5 spec.ranges[0]: Invalid value: from must not be greater than to`}},
		{name: "a field that is required", text: "apiVersion: portolan.dev/v1alpha1\nkind: NodePortPool\nmetadata: {name: p}\nspec: {}\n",
			want: []string{`4 spec.ranges: Required value`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := read(t, c.text).Objects[0]
			if diff := cmp.Diff(c.want, flaws(o)); diff != "" {
				t.Error(diff)
			}
			if o.Readable() != c.readable {
				t.Errorf("readable: %t", o.Readable())
			}
		})
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	set := read(t, two+"---\napiVersion: portolan.dev/v1alpha1\nkind: NodePortPool\nmetadata: {name: p}\nspec: {ranges: []}\n")
	svc, pool := set.Services[0].Value, set.Pools[0].Value
	if p := svc.Spec.Ports[0]; svc.Namespace != "default" || p.Protocol != corev1.ProtocolTCP || p.TargetPort != intstr.FromInt32(80) {
		t.Errorf("got %+v", svc)
	}
	if pool.Namespace != "" || pool.Spec.MaxPortsPerService != 32 || *pool.Spec.HoldSeconds != 600 || pool.Spec.Enforcement != "Enforce" {
		t.Errorf("got %+v", pool)
	}
}

func TestWhatCannotBeReadIsATroubleAndTheRestIsRead(t *testing.T) {
	set := read(t, two+"---\nkind: [\n---\n"+two)
	if len(set.Services) != 2 {
		t.Errorf("%d Services were read", len(set.Services))
	}
	if len(set.Troubles) != 1 || set.Troubles[0].File != "-" || set.Troubles[0].Line < 21 || set.Troubles[0].Line > 23 {
		t.Errorf("got %v", set.Troubles)
	}
}

func TestOtherKindsAndTextsArePassedOver(t *testing.T) {
	set := read(t, "kind: Service\napiVersion: serving.knative.dev/v1\n---\njust: text\n---\n- a\n- list\n---\n# nothing\n---\nspec: {}\nkind: 5\n---\n\"a string\"\n")
	if len(set.Objects) != 0 || len(set.Troubles) != 0 {
		t.Errorf("got %+v", set)
	}
}

func TestDirectoriesAreReadAsKubectlDoes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": two, "b.yml": two, "c.json": "{}", "d.txt": "a: [", "below/e.yaml": two, "empty/f.txt": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		recursive bool
		want      []string
	}{{false, []string{"a.yaml", "b.yml"}}, {true, []string{"a.yaml", "b.yml", "below/e.yaml"}}} {
		o := options(t)
		o.Recursive = c.recursive
		set := Read([]string{dir}, nil, o)
		var got []string
		for _, svc := range set.Services {
			name, _ := filepath.Rel(dir, svc.File)
			got = append(got, name)
		}
		if !slices.Equal(got, c.want) || len(set.Troubles) > 0 {
			t.Errorf("recursive %t: got %v, %v", c.recursive, got, set.Troubles)
		}
	}
	set := Read([]string{filepath.Join(dir, "empty"), filepath.Join(dir, "none")}, nil, options(t))
	if len(set.Troubles) != 2 {
		t.Errorf("a directory without files and one that is not there: got %v", set.Troubles)
	}
}

// FuzzNothingThatIsReadCrashes reads whatever there is, and asks for the lines of it.
func FuzzNothingThatIsReadCrashes(f *testing.F) {
	f.Add(two)
	f.Add("kind: List\nitems: [{kind: Service, apiVersion: v1}, 5]")
	f.Add("a: &a {b: *a}")
	schemas, err := crdschema.Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set := Read([]string{"-"}, strings.NewReader(text), Options{Namespace: "default", Schemas: schemas})
		lines := strings.Count(text, "\n") + 1
		for _, o := range set.Objects {
			for _, field := range []string{"", "spec.ports[0].nodePort", "spec.ranges[0]"} {
				if n := o.LineOf(field); n < 1 || n > lines {
					t.Errorf("%s %s is in line %d of %d", o, field, n, lines)
				}
			}
		}
	})
}
