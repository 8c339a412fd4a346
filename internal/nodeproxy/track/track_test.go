package track

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	sources "k8s.io/client-go/tools/cache/testing"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// world is an API server with Services and EndpointSlices, the reflectors of it, and a Tracker.
type world struct {
	*testing.T
	services, slices     *sources.FakeControllerSource
	ofServices, ofSlices *cache.Reflector
	clock                *testingclock.FakePassiveClock
	tracker              *Tracker
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, services: sources.NewFakeControllerSource(), slices: sources.NewFakeControllerSource(), clock: testingclock.NewFakePassiveClock(start)}
	w.tracker = New(nil, w.clock)
	w.ofServices = cache.NewReflectorWithOptions(w.services, &corev1.Service{}, w.tracker.Services(), cache.ReflectorOptions{})
	w.ofSlices = cache.NewReflectorWithOptions(w.slices, &discoveryv1.EndpointSlice{}, w.tracker.EndpointSlices(), cache.ReflectorOptions{})
	return w
}

func (w *world) start(reflectors ...*cache.Reflector) {
	ctx, cancel := context.WithCancel(w.Context())
	w.Cleanup(cancel)
	for _, r := range reflectors {
		go r.RunWithContext(ctx)
	}
}

// next are the changes that come next, as "namespace/name" or "namespace/name gone", and their slices.
func (w *world) next() map[string][]string {
	w.Helper()
	all := map[string][]string{}
	for _, c := range w.take() {
		name := c.Name.String()
		if c.Service == nil {
			name += " gone"
		}
		all[name] = []string{}
		for _, s := range c.Slices {
			all[name] = append(all[name], s.Name)
		}
		slices.Sort(all[name])
	}
	return all
}

func (w *world) take() []Change {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	changes, err := w.tracker.Next(ctx)
	if err != nil {
		w.Fatal(err)
	}
	return changes
}

// until takes changes until all that are wanted have come, and wants no others.
func (w *world) until(want map[string][]string) {
	w.Helper()
	got := map[string][]string{}
	for len(got) < len(want) {
		maps.Copy(got, w.next())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("(-want +got)\n%s", diff)
	}
}

func service(name string) *corev1.Service {
	return MakeService(name).ClusterIPs("10.96.0.1").Port(80).Obj()
}

func slice(service, suffix string) *discoveryv1.EndpointSlice {
	return MakeSlice(service, suffix).Port("", 8080).Endpoint("10.0.0.1").Obj()
}

func TestNothingIsHandedOutBeforeServicesAndEndpointSlicesAreRead(t *testing.T) {
	for _, first := range []string{"Services", "EndpointSlices"} {
		t.Run(first+" first", func(t *testing.T) {
			w := newWorld(t)
			w.services.Add(service("shop/web"))
			w.slices.Add(slice("shop/web", "a"))
			inOrder, read := []*cache.Reflector{w.ofServices, w.ofSlices}, w.tracker.services.read
			if first == "EndpointSlices" {
				slices.Reverse(inOrder)
				read = w.tracker.slices.read
			}
			w.start(inOrder[0])
			<-read
			ended, end := context.WithCancelCause(t.Context())
			end(errors.New("enough"))
			if changes, err := w.tracker.Next(ended); err == nil || err.Error() != "enough" {
				t.Errorf("got %v, %v", changes, err)
			}
			w.start(inOrder[1])
			w.until(map[string][]string{"shop/web": {"web-a"}})
		})
	}
}

func TestTheFirstCallReturnsEvenWhereThereIsNothing(t *testing.T) {
	w := newWorld(t)
	w.start(w.ofServices, w.ofSlices)
	if got := w.take(); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestTheFirstCallReturnsAllServices(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a/one", "a/two", "b/one"} {
		w.services.Add(service(name))
		w.slices.Add(slice(name, "a"))
	}
	w.slices.Add(slice("a/one", "b"))
	w.slices.Add(slice("c/none", "a"))
	w.start(w.ofServices, w.ofSlices)
	want := map[string][]string{"a/one": {"one-a", "one-b"}, "a/two": {"two-a"}, "b/one": {"one-a"}, "c/none gone": {"none-a"}}
	if diff := cmp.Diff(want, w.next()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEachEventMarksTheServicesItConcerns(t *testing.T) {
	w := newWorld(t)
	w.services.Add(service("shop/web"))
	w.services.Add(service("shop/api"))
	w.slices.Add(slice("shop/web", "a"))
	w.start(w.ofServices, w.ofSlices)
	w.next()

	w.services.Modify(service("shop/web"))
	w.until(map[string][]string{"shop/web": {"web-a"}})
	w.slices.Add(slice("shop/web", "b"))
	w.until(map[string][]string{"shop/web": {"web-a", "web-b"}})
	w.slices.Delete(slice("shop/web", "b"))
	w.until(map[string][]string{"shop/web": {"web-a"}})

	moved := slice("shop/web", "a")
	moved.Labels[discoveryv1.LabelServiceName] = "api"
	w.slices.Modify(moved)
	w.until(map[string][]string{"shop/web": {}, "shop/api": {"web-a"}})
	orphan := slice("shop/web", "a")
	orphan.Labels = nil
	w.slices.Modify(orphan)
	w.until(map[string][]string{"shop/api": {}})

	w.services.Delete(service("shop/web"))
	w.until(map[string][]string{"shop/web gone": {}})
}

func TestABurstComesAsOneChange(t *testing.T) {
	w := newWorld(t)
	w.start(w.ofServices, w.ofSlices)
	w.take()
	for range 3 {
		w.tracker.serviceChanged(nil, service("shop/web"))
		w.clock.SetTime(w.clock.Now().Add(time.Second))
		w.tracker.sliceChanged(nil, endpoints.Of(slice("shop/api", "a")))
	}
	if got := w.tracker.Counts(); got != (Counts{ServiceEvents: 3, SliceEvents: 3, Pending: 2, Oldest: start}) {
		t.Errorf("got %+v", got)
	}
	changes := w.take()
	if len(changes) != 2 || !changes[0].Since.Equal(start) || changes[0].Name.Name != "web" || !changes[1].Since.Equal(start.Add(time.Second)) {
		t.Errorf("got %+v", changes)
	}
	if got := w.tracker.Counts(); got.Pending != 0 || !got.Oldest.IsZero() {
		t.Errorf("with all taken: %+v", got)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if changes, err := w.tracker.Next(ended); err == nil {
		t.Errorf("taken twice: %v", changes)
	}
}

func TestAllMarksEveryService(t *testing.T) {
	w := newWorld(t)
	w.services.Add(service("shop/web"))
	w.services.Add(service("shop/api"))
	w.start(w.ofServices, w.ofSlices)
	w.next()
	w.tracker.All()
	if diff := cmp.Diff(map[string][]string{"shop/web": {}, "shop/api": {}}, w.next()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAWakeReturnsWithoutAnyChange(t *testing.T) {
	w := newWorld(t)
	w.start(w.ofServices, w.ofSlices)
	w.take()
	w.tracker.Wake()
	w.tracker.Wake()
	if changes := w.take(); len(changes) != 0 {
		t.Errorf("got %v, want nothing", changes)
	}
}

func TestTriggersAreTheTimesThatSlicesNewlyAnswerTo(t *testing.T) {
	at := func(seconds int) string {
		return start.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339Nano)
	}
	stamped := func(stamp string) *endpoints.Slice {
		s := slice("shop/web", "a")
		if stamp != "" {
			s.Annotations = map[string]string{corev1.EndpointsLastChangeTriggerTime: stamp}
		}
		return endpoints.Of(s)
	}
	for _, tc := range []struct {
		name    string
		was, is *endpoints.Slice
		want    []string
	}{
		{"a new slice", nil, stamped(at(1)), []string{at(1)}},
		{"from before the tracker", nil, stamped(at(-1)), nil},
		{"a later one", stamped(at(1)), stamped(at(2)), []string{at(2)}},
		{"the same one, for another reason", stamped(at(1)), stamped(at(1)), nil},
		{"none", stamped(at(1)), stamped(""), nil},
		{"nonsense", nil, stamped("yesterday"), nil},
		{"a slice that has gone", stamped(at(1)), nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.tracker.begun = true
			w.tracker.sliceChanged(tc.was, tc.is)
			var got []string
			for _, at := range w.take()[0].Triggers {
				got = append(got, at.Format(time.RFC3339Nano))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestTriggersOfSeveralSlicesAddUp(t *testing.T) {
	w := newWorld(t)
	w.tracker.begun = true
	for i, suffix := range []string{"a", "b"} {
		s := slice("shop/web", suffix)
		s.Annotations = map[string]string{corev1.EndpointsLastChangeTriggerTime: start.Add(time.Duration(i+1) * time.Second).Format(time.RFC3339Nano)}
		w.tracker.sliceChanged(nil, endpoints.Of(s))
	}
	if got := w.take(); len(got) != 1 || len(got[0].Triggers) != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestAnEventThatTellsNothingNewIsNone(t *testing.T) {
	w := newWorld(t)
	known := service("shop/web")
	known.ResourceVersion = "7"
	store := w.tracker.Services()
	w.tracker.begun = true
	w.must(store.Add(known))
	w.take()
	w.must(store.Update(known.DeepCopy()))
	w.must(store.Delete(service("shop/never-seen")))
	if got := w.tracker.Counts(); got != (Counts{ServiceEvents: 1}) {
		t.Errorf("got %+v", got)
	}
	changed := known.DeepCopy()
	changed.ResourceVersion = "8"
	w.must(store.Update(changed))
	if got := w.tracker.Counts(); got.Pending != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestAListTellsWhatWasMissed(t *testing.T) {
	w := newWorld(t)
	version := func(svc *corev1.Service, v string) *corev1.Service {
		svc.ResourceVersion = v
		return svc
	}
	store := w.tracker.Services()
	w.must(store.Replace([]any{version(service("shop/same"), "1"), version(service("shop/other"), "2"), version(service("shop/gone"), "3")}, "3"))
	w.tracker.begun = true
	w.take()
	w.must(store.Replace([]any{version(service("shop/same"), "1"), version(service("shop/other"), "4"), version(service("shop/new"), "5")}, "5"))
	want := map[string][]string{"shop/other": {}, "shop/gone gone": {}, "shop/new": {}}
	if diff := cmp.Diff(want, w.next()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatIsNoObjectOfItsKindIsAnError(t *testing.T) {
	w := newWorld(t)
	store := w.tracker.Services()
	for name, failure := range map[string]error{
		"Add":     store.Add("no Service"),
		"Update":  store.Update("no Service"),
		"Delete":  store.Delete("no Service"),
		"Replace": store.Replace([]any{service("shop/web"), "no Service"}, "1"),
	} {
		if failure == nil {
			t.Errorf("%s took it", name)
		}
	}
	if got := w.tracker.Counts(); got != (Counts{}) {
		t.Errorf("got %+v", got)
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func TestTrimmingLeavesWhatAProxyReads(t *testing.T) {
	taken := func(svc *corev1.Service) bool { return svc.Name == "web" }
	full := func(name string) *corev1.Service {
		svc := MakeService("shop/"+name).ClusterIPs("10.96.0.1").Port(80).Ingress("192.0.2.1").Created(start).
			Label("a", "b").Label("proxy", "x").Annotation("c", strings.Repeat("d", 1000)).ManagedFields("kubectl", "", "{}").Obj()
		svc.Spec.Selector = map[string]string{"app": "web"}
		return svc
	}
	ours := full("web")
	TrimService(taken, "proxy")(ours)
	want := MakeService("shop/web").ClusterIPs("10.96.0.1").Port(80).Ingress("192.0.2.1").Created(start).Label("proxy", "x").Obj()
	if diff := cmp.Diff(want, ours); diff != "" {
		t.Errorf("a Service that is taken (-want +got)\n%s", diff)
	}
	others := full("api")
	TrimService(taken, "proxy")(others)
	bare := MakeService("shop/api").Type("").Created(start).Label("proxy", "x").Obj()
	if diff := cmp.Diff(bare, others); diff != "" {
		t.Errorf("a Service that is not (-want +got)\n%s", diff)
	}
}

func TestTrimmingLeavesTheNumbersOfOtherProxiesServices(t *testing.T) {
	svc := MakeService("shop/web").ClusterIPs("10.96.0.1").LoadBalancer().LocalTraffic().NodePort(80, 30080, Named("http")).HealthCheck(30081).
		Ingress("192.0.2.1").Created(start).Label("a", "b").Annotation("c", "d").Obj()
	TrimService(func(*corev1.Service) bool { return false }, "proxy")(svc)
	want := MakeService("shop/web").LoadBalancer().LocalTraffic().NodePort(80, 30080, Named("http")).HealthCheck(30081).Created(start).Label("a", "b").Obj()
	if diff := cmp.Diff(want, svc); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTrimmingLeavesHostPortsOfAPod(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", ResourceVersion: "7", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}},
		Spec: corev1.PodSpec{
			NodeName:       "node-1",
			InitContainers: []corev1.Container{{Name: "once"}, {Name: "beside", RestartPolicy: new(corev1.ContainerRestartPolicyAlways), Ports: []corev1.ContainerPort{{ContainerPort: 1, HostPort: 2}}}},
			Containers:     []corev1.Container{{Name: "web", Image: "web", Ports: []corev1.ContainerPort{{ContainerPort: 3}, {Name: "dns", HostPort: 4, HostIP: "127.0.0.1", Protocol: "UDP"}}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1"},
	}
	TrimPod(pod)
	want := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", ResourceVersion: "7"},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{RestartPolicy: new(corev1.ContainerRestartPolicyAlways), Ports: []corev1.ContainerPort{{HostPort: 2}}}},
			Containers:     []corev1.Container{{Ports: []corev1.ContainerPort{{HostPort: 4, HostIP: "127.0.0.1", Protocol: "UDP"}}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if diff := cmp.Diff(want, pod); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// cluttered is what an object may have that a node does not read, and what it does.
func cluttered() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: "shop", Name: "office", UID: "u", Generation: 3, ResourceVersion: "7", CreationTimestamp: metav1.NewTime(start),
		Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}, ManagedFields: []metav1.ManagedFieldsEntry{{}},
	}
}

func bareMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: "office", UID: "u", Generation: 3, ResourceVersion: "7", CreationTimestamp: metav1.NewTime(start)}
}

func TestTrimmingLeavesOfAnAccessWhichChangeItIs(t *testing.T) {
	spec := v1alpha1.NodePortAccessSpec{Interfaces: []string{"eth0"}}
	access := &v1alpha1.NodePortAccess{ObjectMeta: cluttered(), Spec: spec, Status: v1alpha1.NodePortAccessStatus{SpecResourceVersion: "6", NodePorts: "30000"}}
	TrimAccess(access)
	want := &v1alpha1.NodePortAccess{ObjectMeta: bareMeta(), Spec: spec, Status: v1alpha1.NodePortAccessStatus{SpecResourceVersion: "6"}}
	if diff := cmp.Diff(want, access); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTrimmingLeavesOfAPoolWhoMayReachWhichNumbers(t *testing.T) {
	ranges, access := []v1alpha1.PortRange{{From: 30000, To: 30099}}, &v1alpha1.PoolAccess{}
	pool := &v1alpha1.NodePortPool{
		ObjectMeta: cluttered(),
		Spec:       v1alpha1.NodePortPoolSpec{Ranges: ranges, Access: access, Priority: 7},
		Status:     v1alpha1.NodePortPoolStatus{Ranges: "30000-30099"},
	}
	TrimPool(pool)
	want := &v1alpha1.NodePortPool{ObjectMeta: bareMeta(), Spec: v1alpha1.NodePortPoolSpec{Ranges: ranges, Access: access}}
	if diff := cmp.Diff(want, pool); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
