package move

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// state is a report of a node-proxy that serves all Services, written a while after the move began.
func state(name, numbers string, after time.Duration) v1alpha1.NodePortNodeState {
	s := v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: name}}
	written := metav1.NewTime(now.Add(after))
	s.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "node-proxy", Time: &written}}
	s.Status.Mode, s.Status.NodePorts = v1alpha1.ProxyModeAll, numbers
	return s
}

func states(all ...v1alpha1.NodePortNodeState) picture.Objects {
	return picture.Objects{NodeStates: all}
}

func node(name string, ready corev1.ConditionStatus) corev1.Node {
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
	return n
}

func TestBothEntriesAnswerWhenEndpointsAndNodesHaveThem(t *testing.T) {
	const both, old = "30100,30200", "30100"
	endpoints := func(s *Slice) picture.Objects {
		return picture.Objects{EndpointSlices: []discoveryv1.EndpointSlice{*s.Obj()}, NodeStates: states(state("a", both, 0)).NodeStates}
	}
	before := func() *Slice { return MakeSlice("shop/web", "1").Port("http", 8080) }
	mute := state("b", old, 0)
	mute.Status.Activity = &v1alpha1.Activity{To: metav1.NewTime(now.Add(-4 * time.Hour))}
	others := state("a", "", 0)
	others.Status.Mode = v1alpha1.ProxyModeLabelled
	dead := states(state("a", both, 0), state("b", old, 0))
	dead.Nodes = []corev1.Node{node("a", corev1.ConditionTrue), node("b", corev1.ConditionUnknown)}
	gone := states(state("a", both, 0), state("b", old, 0))
	gone.Nodes = []corev1.Node{node("a", corev1.ConditionTrue)}
	for _, tt := range []struct {
		name    string
		objects picture.Objects
		waited  time.Duration
		missing string
		unseen  string
	}{
		{name: "all nodes have both", objects: states(state("a", both, 0), state("b", both, time.Minute))},
		{name: "a node is behind", objects: states(state("a", both, 0), state("b", old, 0)), missing: "30200 is not yet in force on b"},
		{name: "no endpoints", objects: endpoints(before())},
		{name: "endpoints of the old entry only", objects: endpoints(before().Endpoint("10.0.0.1")), missing: "has not yet endpoints for both"},
		{name: "endpoints before the entry had a name", objects: endpoints(MakeSlice("shop/web", "1").Port("", 8080).Endpoint("10.0.0.1")), missing: "has not yet endpoints"},
		{name: "endpoints of both", objects: endpoints(before().Port("http-move", 8080).Endpoint("10.0.0.1"))},
		{name: "endpoints of another Service", objects: endpoints(MakeSlice("shop/db", "1").Port("http", 1).Endpoint("10.0.0.1"))},
		{name: "kube-proxy serves it", objects: states(others), unseen: "No node-proxy serves it"},
		{name: "reports may not be read", objects: picture.Objects{Gaps: []picture.Gap{{Kind: picture.NodeStates}}}, unseen: "ClusterRole portolan-nodeportnodestate-viewer-role"},
		{name: "endpoints may not be read", objects: picture.Objects{Gaps: []picture.Gap{{Kind: picture.EndpointSlices}}}, unseen: "as ClusterRole view lets you"},
		{name: "a node is not ready", objects: dead, unseen: "Left out: b"},
		{name: "a node is gone", objects: gone, unseen: "Left out: b"},
		{name: "a node is silent", objects: states(state("a", both, 0), mute), unseen: "Left out: b"},
		{name: "a report from before", objects: states(state("a", both, 0), state("b", both, -time.Second)), missing: "b has not reported since 30200 was opened"},
		{name: "a report from before, for long", objects: states(state("a", both, 0), state("b", both, -time.Second)), waited: reported, unseen: "b has reported nothing since"},
		{name: "a report from before without the number, for long", objects: states(state("b", old, -time.Second)), waited: reported, missing: "30200 is not yet in force on b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			svc, m := web(), httpMark()
			open(svc, m, "")
			got := judge(picture.New(tt.objects, now), svc, m, tt.waited)
			if tt.missing == "" && got.missing != "" || !strings.Contains(got.missing, tt.missing) {
				t.Errorf("missing: got %q, want %q", got.missing, tt.missing)
			}
			said := slices.ContainsFunc(got.unseen, func(text string) bool { return strings.Contains(text, tt.unseen) })
			if tt.unseen == "" && len(got.unseen) > 0 || tt.unseen != "" && !said {
				t.Errorf("unseen: got %q, want %q", got.unseen, tt.unseen)
			}
		})
	}
}

func TestAMoveBeganWhenTheAPIServerWroteIt(t *testing.T) {
	svc, m := web(), httpMark()
	written := metav1.NewTime(now.Add(time.Hour))
	svc.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "helm", Time: &metav1.Time{Time: now}}, {Manager: manager, Time: &written}}
	if got := openedAt(svc, m); !got.Equal(written.Time) {
		t.Errorf("got %s, want %s", got, written)
	}
}
