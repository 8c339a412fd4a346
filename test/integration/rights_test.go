package integration

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/test/install"
)

// right is what a rule allows: "create portolan.dev/nodeportallocations".
type right string

func makeRight(verb, group, resource string) right { return right(verb + " " + group + "/" + resource) }

// seldom are rights that are not used in every life of a manager.
var seldom = map[right]string{
	"patch /events":              "client-go counts an event that repeats by a change of the first",
	"patch events.k8s.io/events": "likewise",
	"create admissionregistration.k8s.io/validatingadmissionpolicies":       "to apply what is not there is a patch in the audit log",
	"create admissionregistration.k8s.io/validatingadmissionpolicybindings": "likewise",
	"delete admissionregistration.k8s.io/validatingadmissionpolicies":       "the garbage collector may be first",
	"delete admissionregistration.k8s.io/validatingadmissionpolicybindings": "likewise",
}

func TestTheManagerHasNoRightThatItDoesNotUse(t *testing.T) {
	w := alone(t)
	_, before := w.audited() // other tests take rights away
	w.useEveryRight()
	used, denied := w.audited()
	denied = denied[len(before):]
	for _, d := range denied {
		t.Errorf("the manager was denied: %s", d)
	}
	for _, r := range slices.Sorted(maps.Keys(w.granted())) {
		if !used[r] && !r.listsWhatIsWatched(used) && seldom[r] == "" {
			t.Errorf("not used: %s", r)
		}
	}
}

// listsWhatIsWatched: whether a watching client lists first, or has the watch begin with what there is, is its own choice.
func (r right) listsWhatIsWatched(used map[right]bool) bool {
	resource, lists := strings.CutPrefix(string(r), "list ")
	return lists && used["watch "+right(resource)]
}

// useEveryRight has a manager do all that it ever does.
func (w *world) useEveryRight() {
	w.Helper()
	port, faulty := freePort(w), &faultyStore{create: lost}
	faulty.left.Store(1) // the first claim is read back
	w.start(func(o *manager.Options) {
		o.MetricsBindAddress, o.MetricsSecure = fmt.Sprintf("127.0.0.1:%d", port), true
		o.WrapStore = func(s allocator.Store) allocator.Store {
			faulty.Store = s
			return faulty
		}
	})
	w.readMetrics(port)
	shop := w.namespace("shop")
	here, there := v1alpha1.PortRange{From: 31100, To: 31109}, v1alpha1.PortRange{From: 31200, To: 31209}
	pool := w.pool("team-a", here, serving(shop), holding(0))
	web, gone := w.create(makeService(shop+"/web").NodePort(80, 0)), w.create(makeService(shop+"/gone").NodePort(80, 0))
	_, _ = w.tryCreate(makeService(shop+"/web").NodePort(80, 0)) // exists: asks the API server
	w.wantAllBound(gone)
	w.remove(gone)
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a"})
	for range 2 { // the second event of a kind is a change of the first
		w.changePool(pool, func(s *v1alpha1.NodePortPoolSpec) { s.Ranges = []v1alpha1.PortRange{there} })
		w.wantTrouble(web, reasonMisplaced)
		w.changePool(pool, func(s *v1alpha1.NodePortPoolSpec) { s.Ranges = []v1alpha1.PortRange{here} })
		w.wantTrouble(web, "")
	}
	local := makeService(shop+"/local").LocalTraffic().NodePort(80, 0).Obj()
	local.Spec.Selector = map[string]string{"app": "web"}
	w.must(w.Create(w.Context(), local)) // whose Pods are looked at
	promise := w.reserve(shop+"/promise", "web", entry("http", 0))
	kept := promise.Status.Ports[0].NodePort
	w.must(w.Delete(w.Context(), promise)) // which is confirmed
	w.eventually("the number is not reserved any more", func() error {
		if a := w.claim(kept); a != nil && a.Spec.ReservationName != "" {
			return fmt.Errorf("its claim is %+v", a.Spec)
		}
		return nil
	})
	w.askAboutAnUnknownNamespace()
	access := makeAccess(shop + "/office")
	w.must(w.Create(w.Context(), access))
	w.awaitAccess(access)
	w.awaitPolicyOf(pool)
	w.must(w.Delete(w.Context(), pool))
	w.awaitNoPolicy()
	w.wantUsage(shop, pool, "none")
	w.stop()
}

// insecure trusts certificates that the manager has made for itself.
func insecure() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// askAboutAnUnknownNamespace asks a webhook about a namespace that its cache has not, as one has not that has just been made.
func (w *world) askAboutAnUnknownNamespace() {
	w.Helper()
	const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","namespace":"unheard-of",
		"object":{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"unheard-of"},"spec":{"type":"NodePort","ports":[{"port":80}]}}}}`
	response, err := insecure().Post(fmt.Sprintf("https://127.0.0.1:%d/mutate--v1-service", w.WebhookPort), "application/json", strings.NewReader(review))
	w.must(err)
	w.must(response.Body.Close())
}

// readMetrics reads the manager's metrics as somebody who may: the API server is asked.
func (w *world) readMetrics(port int) {
	w.Helper()
	config, err := w.Config()
	w.must(err)
	request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/metrics", port), nil)
	w.must(err)
	request.Header.Set("Authorization", "Bearer "+config.BearerToken)
	w.eventually("the metrics are served", func() error {
		response, err := insecure().Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusForbidden { // known, but not allowed
			return fmt.Errorf("the manager itself reads them: %s", response.Status)
		}
		return nil
	})
}

// granted are the rights of the manager's ServiceAccount.
func (w *world) granted() map[right]bool {
	w.Helper()
	rights := map[right]bool{}
	add := func(rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			for _, verb := range rule.Verbs {
				for _, group := range rule.APIGroups {
					for _, resource := range rule.Resources {
						rights[makeRight(verb, group, resource)] = true
					}
				}
			}
		}
	}
	isOurs := func(s rbacv1.Subject) bool {
		return s.Kind == rbacv1.ServiceAccountKind && s.Namespace == install.Namespace
	}
	clusterWide := &rbacv1.ClusterRoleBindingList{}
	w.must(w.List(w.Context(), clusterWide))
	for _, binding := range clusterWide.Items {
		if slices.ContainsFunc(binding.Subjects, isOurs) {
			role := &rbacv1.ClusterRole{}
			w.must(w.Get(w.Context(), client.ObjectKey{Name: binding.RoleRef.Name}, role))
			add(role.Rules)
		}
	}
	own := &rbacv1.RoleBindingList{}
	w.must(w.List(w.Context(), own))
	for _, binding := range own.Items {
		if slices.ContainsFunc(binding.Subjects, isOurs) {
			role := &rbacv1.Role{}
			w.must(w.Get(w.Context(), client.ObjectKey{Namespace: binding.Namespace, Name: binding.RoleRef.Name}, role))
			add(role.Rules)
		}
	}
	return rights
}

// audited are the rights that the API server has seen in use, and what it has denied.
func (w *world) audited() (used map[right]bool, denied []string) {
	w.Helper()
	file, err := os.Open(w.auditLog)
	w.must(err)
	defer file.Close()
	used = map[right]bool{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb, RequestURI string
			ObjectRef        *struct{ APIGroup, Resource, Subresource string }
			Annotations      map[string]string
			ResponseStatus   *metav1.Status
		}
		w.must(json.Unmarshal(lines.Bytes(), &event))
		if event.Annotations["authorization.k8s.io/decision"] == "forbid" {
			denied = append(denied, event.Verb+" "+event.RequestURI)
		}
		if ref := event.ObjectRef; ref != nil {
			resource := ref.Resource
			if ref.Subresource != "" {
				resource += "/" + ref.Subresource
			}
			used[makeRight(event.Verb, ref.APIGroup, resource)] = true
		}
	}
	w.must(lines.Err())
	return used, denied
}
