package security

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// evil moves the cursor, renames the window, fills the clipboard, hides what follows, turns the direction of reading round,
// and begins lines that look like somebody else's.
const evil = "x\x1b[2J\x1b[1;1H\x1b]0;root\a\x1b]52;c;cm0gLXJm\a\x1b[8m\u202e\u009b31m\r\nFORGED {\"level\":\"info\",\"msg\":\"FORGED\"}\n=cmd|'/C calc'!A0"

func TestTheOperatorsTerminalShowsWhatOthersHaveWrittenAndDoesNotObeyIt(t *testing.T) {
	makeNamespace(t, "evil")
	pool := makePool("evil", 30960, 30969, "evil")
	put(t, pool)
	awaitPool(t, pool)
	svc := MakeService("evil/web").NodePort(80, 30960).Annotation("description", evil).Obj()
	put(t, svc)
	awaitClaim(t, 30960, func(a *v1alpha1.NodePortAllocation) bool { return a.Spec.ServiceUID != "" })
	svc.Status.Conditions = []metav1.Condition{{Type: "portolan.dev/Allocated", Status: metav1.ConditionFalse, Reason: "Conflict", Message: evil, LastTransitionTime: metav1.Now()}}
	must(t, admin().Status().Update(t.Context(), svc)) // some tenants may
	reportEvil(t)
	for _, args := range []string{"map", "list -A -o wide", "list -n evil", "who 30960", "doctor", "export csv -A", "export prometheus -A", "export haproxy -A", "export json -A",
		"explain web -n evil", "lint -f " + evilManifest(t)} {
		out := plugin(t, site.Kubeconfig(), strings.Fields(args)...)
		if len(out) == 0 {
			t.Errorf("kubectl portolan %s says nothing", args)
		}
		for line := range bytes.Lines(out) {
			if commands := commandsIn(line); commands != "" || bytes.HasPrefix(line, []byte("FORGED")) || bytes.HasPrefix(line, []byte("=")) {
				t.Errorf("kubectl portolan %s writes %q, in %q", args, commands, line)
			}
		}
	}
	if out := plugin(t, site.Kubeconfig(), "who", "30960"); !bytes.Contains(out, []byte(`x\u001b[2J`)) {
		t.Errorf("what the node says does not show:\n%s", out)
	}
}

// reportEvil has a node that somebody has taken over report what it likes.
func reportEvil(t *testing.T) {
	t.Helper()
	c := thief(t, stolen(t, "evil-node"))
	state := &v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: "evil-node"}}
	putAs(t, c, state)
	state.Status = v1alpha1.NodePortNodeStateStatus{Mode: v1alpha1.ProxyModeAll, ProxyVersion: evil[:100], ServiceProxyName: "portolan",
		Clashes: []v1alpha1.Clash{{NodePort: 30960, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostListener, Process: evil}},
		Conditions: []metav1.Condition{
			{Type: v1alpha1.NodeStateReady, Status: metav1.ConditionFalse, Reason: "Evil", Message: evil, LastTransitionTime: metav1.Now()},
			{Type: v1alpha1.NodeStateProgrammed, Status: metav1.ConditionFalse, Reason: "Evil", Message: evil, LastTransitionTime: metav1.Now()}}}
	must(t, c.Status().Update(t.Context(), state))
}

// evilManifest is a file as a pull request of a stranger may have it.
func evilManifest(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": evil, "namespace": evil,
		"annotations": map[string]string{v1alpha1.PoolAnnotation: evil}},
		"spec": map[string]any{"type": "NodePort", "ports": []any{map[string]any{"name": evil, "port": 80, "protocol": evil}}}})
	must(t, err)
	path := t.TempDir() + "/web.yaml"
	must(t, os.WriteFile(path, text, 0o600))
	return path
}

// commandsIn are the characters of a line that a terminal obeys, but for tabs, its end, and colours.
func commandsIn(line []byte) string {
	rest := strings.TrimSuffix(string(line), "\n")
	var found []rune
	for rest != "" {
		if strings.HasPrefix(rest, "\x1b[") {
			if sequence := rest[2 : 2+strings.IndexFunc(rest[2:]+"m", func(r rune) bool { return r != ';' && (r < '0' || r > '9') })]; strings.HasPrefix(rest[2+len(sequence):], "m") &&
				!strings.Contains(";"+sequence+";", ";8;") {
				rest = rest[3+len(sequence):]
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(rest)
		if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError && size == 1) {
			found = append(found, r)
		}
		rest = rest[size:]
	}
	return string(found)
}

func TestNobodyWritesLinesOfTheManagersLog(t *testing.T) {
	makeNamespace(t, "forger")
	pool := makePool("forger", 30970, 30974, "forger")
	put(t, pool)
	awaitPool(t, pool)
	err := admin().Create(t.Context(), MakeService("forger/web").NodePort(80, 0).Annotation(v1alpha1.PoolAnnotation, evil).Label("a", "b").Obj())
	if !apierrors.IsInvalid(err) || commandsIn([]byte(strings.ReplaceAll(err.Error(), "\n", "\r"))) != "" {
		t.Errorf("a pool that is called so: %v", err)
	}
	put(t, MakeService("forger/web").NodePort(80, 30970).Annotation("description", evil).Obj())
	awaitClaim(t, 30970, func(a *v1alpha1.NodePortAllocation) bool { return a.Spec.ServiceUID != "" })
	reservation := &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: "forger", Name: "promise", Annotations: map[string]string{"a": evil}}}
	reservation.Spec.ServiceName, reservation.Spec.Ports = "db", []v1alpha1.ReservedPort{{Name: "sql", NodePort: 30970}}
	put(t, reservation)
	eventually(t, "it is refused", func() error { return decided(t, reservation) })
	log, err := os.Open(site.manager.Log)
	must(t, err)
	defer log.Close()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<24)
	var last string // the one that is being written, at the end
	for lines.Scan() {
		if last != "" {
			t.Errorf("this is no line of the manager's: %q", last)
		}
		if last = ""; !json.Valid(lines.Bytes()) {
			last = lines.Text()
		}
	}
	must(t, lines.Err())
}

func decided(t *testing.T, r *v1alpha1.NodePortReservation) error {
	t.Helper()
	if err := admin().Get(t.Context(), client.ObjectKeyFromObject(r), r); err != nil {
		return err
	}
	if len(r.Status.Conditions) == 0 {
		return errors.New("nothing is said of it")
	}
	return nil
}
