package export

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/export"
	"github.com/portolan-dev/portolan/internal/cli/export/format"
	"github.com/portolan-dev/portolan/internal/scheme"
)

const deadline = 30 * time.Second

// eventually waits for what is to become true, and says how long that took.
func eventually(t *testing.T, what string, is func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > deadline {
			t.Fatalf("not within %s: %s", deadline, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}

// watching is an export that keeps a file in step.
type watching struct {
	t    *testing.T
	file string

	mu   sync.Mutex // guards said
	said bytes.Buffer
}

// Write takes what the export says.
func (w *watching) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.Write(text)
}

func (w *watching) saidSo(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.said.String(), what)
}

// watch begins to export a namespace; change, if it is not nil, says what is otherwise. The export ends with the test, and
// without an error.
func watch(t *testing.T, namespace, name string, change func(*export.Options)) *watching {
	t.Helper()
	f, err := format.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{t: t, file: filepath.Join(t.TempDir(), "export")}
	o := export.Options{Format: f, Output: w.file, Watch: true, Config: shared.Config(), Out: w, Err: w}
	o.Filter.Namespace = namespace
	if o.Client, err = client.New(shared.Config(), client.Options{Scheme: scheme.New()}); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the export ended with %v", err)
		}
	})
	eventually(t, "the file is there", func() bool { _, err := os.Stat(w.file); return err == nil })
	return w
}

func (w *watching) text() string {
	w.t.Helper()
	text, err := os.ReadFile(w.file)
	if err != nil {
		w.t.Fatal(err) // not for a moment it may be away
	}
	return string(text)
}

// has waits for the file to have a text, lacks for it to have it no more.
func (w *watching) has(text string) time.Duration {
	w.t.Helper()
	return eventually(w.t, "the file has "+text, func() bool { return strings.Contains(w.text(), text) })
}

func (w *watching) lacks(text string) time.Duration {
	w.t.Helper()
	return eventually(w.t, "the file has no more "+text, func() bool { return !strings.Contains(w.text(), text) })
}

// create makes an object.
func create[T client.Object](t *testing.T, object T) T {
	t.Helper()
	if err := shared.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	return object
}

// namespace makes one that goes with the test.
func namespace(t *testing.T) string {
	t.Helper()
	ns := create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "export-"}})
	t.Cleanup(func() { _ = shared.Delete(context.Background(), ns) })
	return ns.Name
}

// node makes a Node that is ready, and goes with the test.
func node(t *testing.T, name, address string) *corev1.Node {
	t.Helper()
	n := create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	t.Cleanup(func() { _ = client.IgnoreNotFound(shared.Delete(context.Background(), n)) })
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}}
	say(t, n, corev1.ConditionTrue)
	return n
}

// say has a Node say whether it is ready, whatever others have written of it meanwhile.
func say(t *testing.T, n *corev1.Node, ready corev1.ConditionStatus) {
	t.Helper()
	patch := client.MergeFrom(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name}})
	n = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name}, Status: corev1.NodeStatus{
		Addresses:  n.Status.Addresses,
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, LastHeartbeatTime: metav1.Now(), Reason: "Test"}},
	}}
	if err := shared.Status().Patch(t.Context(), n, patch); err != nil {
		t.Fatal(err)
	}
}

// service makes one with a node port of the API server's choice.
func service(t *testing.T, namespace, name string) *corev1.Service {
	t.Helper()
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	svc.Spec.Type = corev1.ServiceTypeNodePort
	svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80}}
	return create(t, svc)
}

func (w *watching) everything() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.String()
}
