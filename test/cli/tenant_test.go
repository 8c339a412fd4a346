package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/explain"
)

// sandboxed is a manifest of namespace sandbox; number 0 leaves it to be chosen.
func sandboxed(name string, number int, annotations string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: sandbox, annotations: {%s}}\n"+
		"spec:\n  type: NodePort\n  ports:\n  - {name: http, port: 80, nodePort: %d}\n", name, annotations, number)
}

// healthChecked has a number for the health checks of a load balancer, and no other.
const healthChecked = "apiVersion: v1\nkind: Service\nmetadata: {name: local, namespace: sandbox}\n" +
	"spec:\n  type: LoadBalancer\n  externalTrafficPolicy: Local\n  allocateLoadBalancerNodePorts: false\n  ports:\n  - {name: http, port: 80}\n"

// apply has kubectl apply a file, and returns what it says where that is refused.
func (u user) apply(file string) (refusal string) {
	u.Helper()
	cmd := exec.CommandContext(u.Context(), site.Kubectl(u.Context()).Path, "apply", "-f", file)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+u.kubeconfig, "HOME="+u.TempDir())
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	return string(out)
}

// A tenant may not read pools, the ledger and what nodes report: what explain and lint say is what then becomes of it.
func TestATenantIsToldWhatBecomesOfItsManifests(t *testing.T) {
	berth(t, "sandbox", v1alpha1.PortRange{From: 30600, To: 30619})
	u := tenantOfSandbox(t)
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		title, manifest string
		refused         bool
	}{
		{"a number of its pool", sandboxed("web", 30600, ""), false},
		{"what is there already", sandboxed("web", 30600, ""), false},
		{"a number of nobody's pool", sandboxed("api", 31500, ""), true},
		{"another number of nobody's pool", sandboxed("web", 31500, ""), true},
		{"another number of its pool", sandboxed("web", 30601, ""), false},
		{"a number that another Service of it has", sandboxed("api", 30601, ""), true},
		{"a number that no Service can have", sandboxed("api", 8080, ""), true},
		{"a number that is left out", sandboxed("open", 0, ""), false},
		{"a pool that is not its own", sandboxed("api", 0, v1alpha1.PoolAnnotation+": secret-pool"), true},
	} {
		t.Run(tt.title, func(t *testing.T) {
			u := user{t, u.kubeconfig}
			must(t, os.WriteFile("web.yaml", []byte(tt.manifest), 0o600))
			said := u.account("-f", "web.yaml")
			linted := u.run("lint", "--live", "-f", "web.yaml")
			refusal := u.apply("web.yaml")
			if (refusal != "") != tt.refused || (said.Verdict == explain.Refused) != tt.refused || (said.Verdict == explain.Admitted) == tt.refused {
				t.Errorf("explain says %+v, kubectl apply: %s", said, refusal)
			}
			for _, text := range said.Errors {
				if !strings.Contains(refusal, text) || !strings.Contains(linted.out, text) {
					t.Errorf("explain says %q, lint %s, kubectl apply: %s", text, linted, refusal)
				}
			}
			wantCode(t, linted, map[bool]int{false: 0, true: 1}[tt.refused])
			wantLine(t, linted.errOut, "You may not list nodeportpools", "portolan-nodeportpool-viewer-role")
		})
	}
	t.Run("its live Service that has a number for health checks alone", func(t *testing.T) {
		u := user{t, u.kubeconfig}
		must(t, os.WriteFile("local.yaml", []byte(healthChecked), 0o600))
		if refusal := u.apply("local.yaml"); refusal != "" {
			t.Fatal(refusal)
		}
		if said := u.account("local", "-n", "sandbox"); said.Verdict != explain.Conforming {
			t.Errorf("got %+v", said)
		}
	})
	t.Run("its live Service", func(t *testing.T) {
		u := user{t, u.kubeconfig}
		if said := u.account("web", "-n", "sandbox"); said.Verdict != explain.Conforming {
			t.Errorf("got %+v", said)
		}
		pool := &v1alpha1.NodePortPool{}
		must(t, site.Get(t.Context(), client.ObjectKey{Name: "sandbox"}, pool))
		before := pool.DeepCopy()
		pool.Spec.Ranges = []v1alpha1.PortRange{{From: 30602, To: 30619}}
		must(t, site.Patch(t.Context(), pool, client.MergeFrom(before)))
		eventually(t, "its number is not for it any more", func() error {
			if said := u.account("web", "-n", "sandbox"); said.Verdict != explain.Breaking || !strings.Contains(said.Errors[0], "were it created now it would be refused: spec.ports[0].nodePort") {
				return fmt.Errorf("got %+v", said)
			}
			return nil
		})
	})
	t.Run("who may only read gets no verdict", reader)
}

// tenantOfSandbox is a tenant who is told of its pool by a usage.
func tenantOfSandbox(t *testing.T) user {
	t.Helper()
	u := member(t, "sandbox")
	eventually(t, "a usage tells the tenant of its pool", func() error {
		got := u.run("map", "-n", "sandbox")
		if !strings.Contains(got.out, "sandbox") {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	return u
}

// account is the answer of explain.
func (u user) account(args ...string) explain.Answer {
	u.Helper()
	got := u.run(append([]string{"explain", "-o", "json"}, args...)...)
	var account explain.Account
	if err := json.Unmarshal([]byte(got.out), &account); err != nil {
		u.Fatalf("%v: %s", err, got)
	}
	return account.Answer
}

// reader has ClusterRole view in namespace sandbox.
func reader(t *testing.T) {
	kubeconfig, err := site.KubeconfigOf("reader")
	must(t, err)
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "sandbox", Name: "reader"}}
	binding.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "reader"}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"}
	must(t, site.Create(t.Context(), binding))
	u := user{t, kubeconfig}
	must(t, os.WriteFile("web.yaml", []byte(sandboxed("api", 30610, "")), 0o600))
	for _, args := range []string{"explain -f web.yaml", "explain web -n sandbox", "lint --live -f web.yaml"} {
		eventually(t, args, func() error {
			got := u.run(strings.Fields(args)...)
			if text := unwrapped(got.String()); got.code != 2 || strings.Contains(text, "=> admitted") || !strings.Contains(text, `you may not create Services in namespace "sandbox"`) {
				return fmt.Errorf("%s", got)
			}
			return nil
		})
	}
}

func TestANamespaceThatIsNotThereIsToldAsThat(t *testing.T) {
	writeBadManifest(t)
	for args, want := range map[string]string{
		"explain web -n nope":             `error: there is no namespace "nope"`,
		"explain -f bad.yaml -n nope":     `error: bad.yaml:3: there is no namespace "nope"`,
		"lint --live -f bad.yaml -n nope": `there is no namespace "nope"`,
		"check -n nope":                   `error: there is no namespace "nope"`,
		"check web -n nope":               `error: there is no namespace "nope"`,
	} {
		got := operator(t).run(strings.Fields(args)...)
		if got.code == 0 || !strings.Contains(got.out+got.errOut, want) || strings.Count(got.errOut, "\n") > 1+strings.Count(args, "lint") {
			t.Errorf("%s: %s", args, got)
		}
	}
}
