package cli

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestAMove(t *testing.T) {
	u := berth(t, "moves", v1alpha1.PortRange{From: 30320, To: 30339})
	const atOnce = "--settle=0s" // there are no nodes to wait for
	t.Run("to the end, step by step", func(t *testing.T) {
		service(t, "plain", 30320)
		got := u.run("move", "plain", "-n", "moves", "--to", "30321", atOnce)
		wantCode(t, got, 0)
		wantLine(t, got.out, "Switched: Service plain has 30321")
		wantLine(t, unwrapped(got.out), "Both 30320 and 30321 stay open", "kubectl portolan move plain -n moves --yes")
		wantPorts(t, "plain", "http=30321 http-move=30320")
		for _, number := range []string{"30320", "30321"} {
			awaitState(t, number, v1alpha1.AllocationReasonInUse)
		}
		wantCode(t, u.run("move", "plain", "-n", "moves"), 0) // nobody is there to say yes
		wantPorts(t, "plain", "http=30321 http-move=30320")
		got = u.run("move", "plain", "-n", "moves", "--yes")
		wantCode(t, got, 0)
		wantLine(t, got.out, "Done: Service plain has 30321. 30320 is closed")
		wantPorts(t, "plain", "http=30321")
		awaitState(t, "30320", v1alpha1.AllocationReasonHeld)
		awaitState(t, "30321", v1alpha1.AllocationReasonInUse)
	})
	t.Run("at once, after a time", func(t *testing.T) {
		service(t, "timed", 30322)
		wantCode(t, u.run("move", "timed", "-n", "moves", "--to", "30323", atOnce, "--wait", "1s"), 0)
		wantPorts(t, "timed", "http=30323")
	})
	t.Run("interrupted before it answers, resumed, and undone after the switch", func(t *testing.T) {
		service(t, "slow", 30324)
		slice := MakeSlice("moves/slow", "byhand").Port("http", 8080).Endpoint("10.99.0.1").Obj()
		must(t, site.Create(t.Context(), slice))
		got := u.run("move", "slow", "-n", "moves", "--to", "30325", atOnce, "--timeout", "1s")
		wantCode(t, got, 2)
		wantLine(t, unwrapped(got.errOut), "has not yet endpoints for both of the ports http and http-move", "To go on: kubectl portolan move slow -n moves")
		wantPorts(t, "slow", "http=30324 http-move=30325")
		another := u.run("move", "slow", "-n", "moves", "--to", "30326", atOnce)
		wantCode(t, another, 2)
		wantLine(t, another.errOut, "on the move from 30324 to 30325")

		extra := slice.Ports[0]
		extra.Name = new("http-move")
		slice.Ports = append(slice.Ports, extra)
		must(t, site.Update(t.Context(), slice))
		wantCode(t, u.run("move", "slow", "-n", "moves", atOnce), 0)
		wantPorts(t, "slow", "http=30325 http-move=30324")

		got = u.run("move", "slow", "-n", "moves", "--undo") // nobody is there to say yes
		wantCode(t, got, 2)
		wantLine(t, got.errOut, "Close 30325 now?", "say --yes")
		wantCode(t, u.run("move", "slow", "-n", "moves", "--undo", "--yes"), 0)
		wantPorts(t, "slow", "http=30324")
		awaitState(t, "30325", v1alpha1.AllocationReasonHeld)
		awaitState(t, "30324", v1alpha1.AllocationReasonInUse)
	})
	t.Run("undone before the switch", func(t *testing.T) {
		service(t, "back", 30327)
		must(t, site.Create(t.Context(), MakeSlice("moves/back", "byhand").Port("http", 8080).Endpoint("10.99.0.1").Obj()))
		wantCode(t, u.run("move", "back", "-n", "moves", "--to", "30328", atOnce, "--timeout", "1s"), 2)
		wantCode(t, u.run("move", "back", "-n", "moves", "--undo"), 0)
		wantPorts(t, "back", "http=30327")
		got := u.run("move", "back", "-n", "moves", "--undo")
		wantCode(t, got, 2)
		wantLine(t, got.errOut, "Service back is not on the move")
	})
	t.Run("the old manifest is refused while both are open, the new one changes nothing", func(t *testing.T) {
		apply(t, "git", 30329)
		got := u.run("move", "git", "-n", "moves", "--to", "30330", atOnce)
		wantCode(t, got, 0)
		wantLine(t, unwrapped(got.out), "nodePort 30329 was set by gitops: set 30330 in that manifest")
		if err := applied(t, "git", 30329); err == nil {
			t.Error("the old manifest was applied")
		}
		must(t, applied(t, "git", 30330))
		wantPorts(t, "git", "http=30330 http-move=30329")
		wantCode(t, u.run("move", "git", "-n", "moves", "--yes"), 0)
		must(t, applied(t, "git", 30330))
		wantPorts(t, "git", "http=30330")
	})
	t.Run("a number that is not to be had changes nothing", func(t *testing.T) {
		service(t, "refused", 30331)
		got := u.run("move", "refused", "-n", "moves", "--to", "30321", atOnce)
		wantCode(t, got, 2)
		wantLine(t, unwrapped(got.errOut), "nothing is changed", `already allocated to Service "plain" in this namespace`)
		wantPorts(t, "refused", "http=30331")
	})
	t.Run("by a tenant", func(t *testing.T) {
		service(t, "theirs", 30332)
		got := member(t, "moves").run("move", "theirs", "-n", "moves", "--to", "30333", atOnce, "--yes")
		wantCode(t, got, 0)
		wantLine(t, unwrapped(got.out), "ClusterRole portolan-nodeportnodestate-viewer-role", "Try 30333 before you tell your clients")
		wantPorts(t, "theirs", "http=30333")
	})
	t.Run("by who may get and patch Services only", func(t *testing.T) {
		service(t, "bare", 30334)
		got := bare(t, "moves").run("move", "bare", "-n", "moves", "--to", "30335", atOnce, "--yes")
		wantCode(t, got, 0)
		wantLine(t, unwrapped(got.out), "Who may reach the second entry cannot be told", "you may not list endpointslices")
		wantPorts(t, "bare", "http=30335")
	})
	t.Run("what somebody else has changed meanwhile stays, and the old number, too", func(t *testing.T) {
		service(t, "astray", 30336)
		wantCode(t, u.run("move", "astray", "-n", "moves", "--to", "30337", atOnce), 0)
		svc := &corev1.Service{}
		must(t, site.Get(t.Context(), client.ObjectKey{Namespace: "moves", Name: "astray"}, svc))
		svc.Spec.Ports[0].Name = "www"
		must(t, site.Update(t.Context(), svc))
		got := u.run("move", "astray", "-n", "moves", "--undo", "--yes")
		wantCode(t, got, 0)
		wantLine(t, got.out, "Undone: Service astray has 30337 (www), 30336 (http-move).")
	})
}

// bare is somebody with the least rights in a namespace by which a Service can be moved.
func bare(t *testing.T, namespace string) user {
	t.Helper()
	name := "bare-" + namespace
	kubeconfig, err := site.KubeconfigOf(name)
	must(t, err)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	role.Rules = []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"get", "patch"}}}
	must(t, site.Create(t.Context(), role))
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	binding.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}
	must(t, site.Create(t.Context(), binding))
	return user{t, kubeconfig}
}

// service makes one in namespace moves, and waits for the ledger to know it.
func service(t *testing.T, name string, number int32) {
	t.Helper()
	svc := MakeService("moves/"+name).NodePort(80, number, Named("http"), Target(8080)).Obj()
	svc.Spec.Selector = map[string]string{"app": name}
	must(t, site.Create(t.Context(), svc))
	awaitState(t, fmt.Sprint(number), v1alpha1.AllocationReasonInUse)
}

// apply makes one by server-side apply, as a tool with a manifest in Git does.
func apply(t *testing.T, name string, number int32) {
	t.Helper()
	must(t, applied(t, name, number))
	awaitState(t, fmt.Sprint(number), v1alpha1.AllocationReasonInUse)
}

func applied(t *testing.T, name string, number int32) error {
	t.Helper()
	manifest := fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {namespace: moves, name: %s}, spec: {type: NodePort, selector: {app: %s},
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: %d}]}}`, name, name, number)
	cmd := site.Kubectl(t.Context(), "apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// wantPorts wants a Service's entries to be "name=number ...".
func wantPorts(t *testing.T, name, want string) {
	t.Helper()
	svc := &corev1.Service{}
	must(t, site.Get(t.Context(), client.ObjectKey{Namespace: "moves", Name: name}, svc))
	var texts []string
	for _, p := range svc.Spec.Ports {
		texts = append(texts, fmt.Sprintf("%s=%d", p.Name, p.NodePort))
	}
	if got := strings.Join(texts, " "); got != want {
		t.Errorf("Service %s has %s, want %s", name, got, want)
	}
	if text, onTheMove := svc.Annotations["portolan.dev/move"]; onTheMove != strings.Contains(want, "-move") {
		t.Errorf("Service %s has the mark %q", name, text)
	}
}
