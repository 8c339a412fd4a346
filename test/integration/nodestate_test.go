package integration

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// serving30500 is the status of a node that serves all Services.
func serving30500() v1alpha1.NodePortNodeStateStatus {
	return v1alpha1.NodePortNodeStateStatus{Mode: v1alpha1.ProxyModeAll, ServiceProxyName: "portolan", NodePorts: "30500"}
}

func TestANodeWritesItsOwnStateAndNoOther(t *testing.T) {
	w := share(t)
	proxies := w.withNodeProxies()
	one, other := proxies.on("one"), proxies.on("other")
	if err := one.report(t.Context(), serving30500()); err != nil {
		t.Fatalf("it is not let write its own: %v", err)
	}
	ofOther := makeNodeState(other.node.Name)
	for _, tc := range []struct {
		name   string
		writer client.Client
	}{
		{"the node-proxy of another node", one},
		{"a node-proxy whose token says no node", proxies.as(nil)},
		{"an admin", w.Client},
	} {
		wantForbidden := func(what string, err error) {
			t.Helper()
			if !apierrors.IsForbidden(err) || !strings.Contains(w.inTestsWords(err.Error()), "only the node-proxy on node other writes its NodePortNodeState") {
				t.Errorf("%s %s: %v", tc.name, what, err)
			}
		}
		wantForbidden("creates it", tc.writer.Create(t.Context(), makeNodeState(other.node.Name)))
		w.must(other.report(t.Context(), serving30500()))
		w.must(w.Get(t.Context(), client.ObjectKeyFromObject(ofOther), ofOther))
		forged := ofOther.DeepCopy()
		forged.Status.NodePorts = "30000-32767"
		wantForbidden("updates it", tc.writer.Status().Update(t.Context(), forged))
		if tc.writer == w.Client { // a node-proxy has no right to patch anything
			wantForbidden("patches it", w.Status().Patch(t.Context(), forged, client.MergeFrom(ofOther)))
		}
		w.must(w.Delete(t.Context(), ofOther))
	}
}

func TestAStateCanBeLabelledAndDeletedByWhoMay(t *testing.T) {
	w := share(t)
	one := w.withNodeProxies().on("one")
	w.must(one.report(t.Context(), serving30500()))
	state := makeNodeState(one.node.Name)
	w.must(w.Get(t.Context(), client.ObjectKeyFromObject(state), state))
	state.Labels = map[string]string{"rack": "7"}
	w.must(w.Update(t.Context(), state))
	w.must(w.Delete(t.Context(), state))
	w.must(one.report(t.Context(), serving30500()))
}

func TestAStateGoesWithItsNodeAndKeepsNoNodeFromGoing(t *testing.T) {
	w := share(t)
	proxies := w.withNodeProxies()
	w.awaitGarbageCollector()
	for _, tc := range []struct {
		name        string
		propagation metav1.DeletionPropagation
		stays       bool
	}{
		{"in the background", metav1.DeletePropagationBackground, false},
		{"in the foreground", metav1.DeletePropagationForeground, false},
		{"orphaned", metav1.DeletePropagationOrphan, true},
	} {
		one := proxies.on("one")
		w.must(one.report(t.Context(), serving30500()))
		w.must(w.Delete(t.Context(), one.node, client.PropagationPolicy(tc.propagation)))
		w.eventually("the Node goes "+tc.name, func() error {
			if err := w.Get(t.Context(), client.ObjectKeyFromObject(one.node), &corev1.Node{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there: %w", err)
			}
			state := makeNodeState(one.node.Name)
			switch err := w.Get(t.Context(), client.ObjectKeyFromObject(state), state); {
			case tc.stays && (err != nil || len(state.OwnerReferences) > 0):
				return fmt.Errorf("its state has owners %v: %w", state.OwnerReferences, err)
			case !tc.stays && !apierrors.IsNotFound(err):
				return fmt.Errorf("its state is there: %w", err)
			}
			return nil
		})
	}
}

func TestOnlyListsOfNumbersAreTakenFromANode(t *testing.T) {
	w := share(t)
	one := w.withNodeProxies().on("one")
	for _, numbers := range []string{"", "30000", "30000-30001,30003", "1-65535"} {
		if err := one.report(t.Context(), v1alpha1.NodePortNodeStateStatus{NodePorts: numbers}); err != nil {
			t.Errorf("%q: %v", numbers, err)
		}
	}
	for _, numbers := range []string{"30000,", "30000 30001", "all", "-30000", "30000-30001-30002", strings.Repeat("30000,", 50_000) + "30000"} {
		if err := one.report(t.Context(), v1alpha1.NodePortNodeStateStatus{NodePorts: numbers}); !apierrors.IsInvalid(err) {
			t.Errorf("%.20q is taken: %v", numbers, err)
		}
	}
}
