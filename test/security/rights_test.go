package security

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/install"
)

// rights are a set of them: "create portolan.dev/nodeportallocations", of one object alone "get /secrets tls", and of a path
// "get /healthz".
type rights map[string]bool

// allowing is the rights to some verbs on some resources.
func allowing(verbs string, resources ...string) rights {
	r := rights{}
	for verb := range strings.FieldsSeq(verbs) {
		for _, resource := range resources {
			r[verb+" "+resource] = true
		}
	}
	return r
}

func union(all ...rights) rights {
	r := rights{}
	for _, some := range all {
		maps.Copy(r, some)
	}
	return r
}

// account is a ServiceAccount of ours.
type account struct {
	namespace, name string
	// everywhere is what it may do in every namespace, and with what is in none; atHome, in its own besides.
	everywhere, atHome rights
}

// in is what it may do in a namespace, and with what is in none.
func (a account) in(namespace string) rights {
	if namespace == a.namespace {
		return union(a.everywhere, a.atHome)
	}
	return a.everywhere
}

const read = "get list watch"

// What Portolan's parts may do, once more and by hand: a Role that grows has to be looked at twice.
var accounts = map[string]account{
	"the manager": {
		install.Namespace, "portolan-controller-manager",
		union(
			allowing(read, "/namespaces", "/services", "portolan.dev/nodeportreservations"),
			allowing("list watch", "portolan.dev/nodeportpools", "portolan.dev/nodeportaccesses", "portolan.dev/nodeportnodestates"),
			allowing("list", "/pods"),
			allowing("patch", "/services/status"),
			allowing(read+" create update delete", "portolan.dev/nodeportallocations"),
			allowing("list watch create delete", "portolan.dev/nodeportusages"),
			allowing("update", "portolan.dev/nodeportpools/status", "portolan.dev/nodeportreservations/status", "portolan.dev/nodeportaccesses/status",
				"portolan.dev/nodeportallocations/status", "portolan.dev/nodeportusages/status"),
			allowing("create patch", "events.k8s.io/events"),
			allowing("list watch create patch delete", "admissionregistration.k8s.io/validatingadmissionpolicies nodeports.portolan.dev",
				"admissionregistration.k8s.io/validatingadmissionpolicybindings nodeports.portolan.dev"),
			allowing("list watch update", "admissionregistration.k8s.io/mutatingwebhookconfigurations portolan-mutating-webhook-configuration",
				"admissionregistration.k8s.io/validatingwebhookconfigurations portolan-validating-webhook-configuration"),
			allowing("create", "authentication.k8s.io/tokenreviews", "authorization.k8s.io/subjectaccessreviews"),
		),
		union(
			allowing("list watch update", "/secrets portolan-webhook-server-cert"),
			allowing("create", "coordination.k8s.io/leases"),
			allowing("get update", "coordination.k8s.io/leases portolan-manager.portolan.dev"),
			allowing("create patch", "/events"),
			allowing("create", "/services"), // a dry run, to learn the range
		),
	},
	"node-proxy": {
		install.NodeNamespace, install.NodeServiceAccount,
		union(
			allowing("list watch", "/services", "/nodes", "/pods", "discovery.k8s.io/endpointslices", "networking.k8s.io/servicecidrs",
				"portolan.dev/nodeportaccesses", "portolan.dev/nodeportpools"),
			allowing("get create update", "portolan.dev/nodeportnodestates"),
			allowing("update", "portolan.dev/nodeportnodestates/status"),
			allowing("create patch", "events.k8s.io/events"),
		),
		nil,
	},
}

// elsewhere is a namespace that is none of ours.
const elsewhere = metav1.NamespaceSystem

func TestOurPartsHaveTheRightsThatTheyNeedAndNoOthers(t *testing.T) {
	for name, a := range accounts {
		t.Run(name, func(t *testing.T) {
			namespaces := &corev1.NamespaceList{}
			must(t, admin().List(t.Context(), namespaces))
			for _, ns := range namespaces.Items {
				got := rightsOf(t, asServiceAccount(a.namespace, a.name), ns.Name)
				if diff := cmp.Diff(union(everybodys(t, ns.Name), a.in(ns.Name)), got); diff != "" {
					t.Errorf("in namespace %s (-want +got)\n%s", ns.Name, diff)
				}
			}
		})
	}
}

// everybodys are the rights of a ServiceAccount that nobody has given any.
func everybodys(t *testing.T, namespace string) rights {
	t.Helper()
	return rightsOf(t, asServiceAccount(corev1.NamespaceDefault, "default"), namespace)
}

// asServiceAccount is the admin in the place of a ServiceAccount.
func asServiceAccount(namespace, name string) *rest.Config {
	config := site.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}}
	return config
}

// rightsOf is what the API server's authorizers say that a user may do in a namespace, and with what is in none.
func rightsOf(t *testing.T, config *rest.Config, namespace string) rights {
	t.Helper()
	api, err := kubernetes.NewForConfig(config)
	must(t, err)
	review, err := api.AuthorizationV1().SelfSubjectRulesReviews().Create(t.Context(),
		&authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}, metav1.CreateOptions{})
	must(t, err)
	got := rights{}
	for _, rule := range review.Status.NonResourceRules {
		maps.Copy(got, allowing(strings.Join(rule.Verbs, " "), rule.NonResourceURLs...))
	}
	for _, rule := range review.Status.ResourceRules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range append(rule.ResourceNames, strings.Repeat("-", 1-min(1, len(rule.ResourceNames)))) {
					if name != "" {
						maps.Copy(got, allowing(strings.Join(rule.Verbs, " "), strings.TrimSuffix(group+"/"+resource+" "+name, " -")))
					}
				}
			}
		}
	}
	return got
}

// verbs are those of objects; unusual, those of what only authorizers know, and of roles.
var (
	verbs   = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*"}
	unusual = []string{"impersonate", "bind", "escalate", "approve", "sign", "attest", "use"}
)

// TestEveryOtherVerbOnEveryKindIsDenied asks for each in our namespaces and in one of others, as the rules above could be of
// another authorizer than who decides.
func TestEveryOtherVerbOnEveryKindIsDenied(t *testing.T) {
	resources := discovered(t)
	if len(resources) < 100 {
		t.Fatalf("there are only %d kinds: %v", len(resources), resources)
	}
	for name, a := range accounts {
		t.Run(name, func(t *testing.T) {
			api, err := kubernetes.NewForConfig(asServiceAccount(a.namespace, a.name))
			must(t, err)
			var asking sync.WaitGroup
			for _, namespace := range []string{elsewhere, install.Namespace, install.NodeNamespace} {
				allowed := union(everybodys(t, namespace), a.in(namespace))
				for some := range slices.Chunk(resources, 1+len(resources)/4) {
					asking.Go(func() { wantAllowed(t, api, namespace, some, allowed) })
				}
			}
			asking.Wait()
		})
	}
}

// wantAllowed wants these rights in a namespace, and no others, as far as they are about all objects of these resources.
func wantAllowed(t *testing.T, api kubernetes.Interface, namespace string, resources []resource, allowed rights) {
	for _, r := range resources {
		if !r.namespaced && namespace != elsewhere {
			continue // asked there
		}
		for _, verb := range r.verbs() {
			may, err := r.allows(t.Context(), api, verb, namespace)
			if want := allowed[verb+" "+r.String()]; err != nil || may != want {
				t.Errorf("%s %s in %s: allowed: %t, want %t: %v", verb, r, namespace, may, want, err)
			}
		}
	}
}

// resource is one of the API, or a subresource.
type resource struct {
	group, name                   string
	namespaced, inAuthorizersOnly bool
}

func (r resource) String() string { return r.group + "/" + r.name }

func (r resource) verbs() []string {
	if r.inAuthorizersOnly || strings.HasSuffix(r.name, "roles") || r.name == "serviceaccounts" {
		return slices.Concat(verbs, unusual)
	}
	return verbs
}

// allows asks about all objects of a resource; in a namespace, if they are in any.
func (r resource) allows(ctx context.Context, api kubernetes.Interface, verb, namespace string) (bool, error) {
	name, sub, _ := strings.Cut(r.name, "/")
	attributes := &authorizationv1.ResourceAttributes{Verb: verb, Group: r.group, Version: "*", Resource: name, Subresource: sub}
	if r.namespaced {
		attributes.Namespace = namespace
	}
	review, err := api.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx,
		&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: attributes}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// discovered are all resources of the cluster, with those that only authorizers know.
func discovered(t *testing.T) []resource {
	t.Helper()
	_, lists, err := site.API.Discovery().ServerGroupsAndResources()
	must(t, err)
	found := map[resource]bool{}
	for _, only := range []string{"/users", "/groups", "authentication.k8s.io/userextras/scopes", "authentication.k8s.io/uids", "certificates.k8s.io/signers", "*/*"} {
		group, name, _ := strings.Cut(only, "/")
		found[resource{group: group, name: name, inAuthorizersOnly: true}] = true
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		must(t, err)
		for _, r := range list.APIResources {
			found[resource{group: version.Group, name: r.Name, namespaced: r.Namespaced}] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

// unusedSeldom are rights of node-proxy that not every life of it uses.
var unusedSeldom = rights{
	"patch events.k8s.io/events":             true, // client-go counts an event that repeats
	"update portolan.dev/nodeportnodestates": true, // where somebody has taken the owner away, or the Node was made anew
}

// The manager's are held against the audit log by TestTheManagerHasNoRightThatItDoesNotUse in test/integration.
func TestNodeProxyHasNoRightThatItDoesNotUse(t *testing.T) {
	needNode(t)
	a := accounts["node-proxy"]
	eventually(t, "it has reported, and will have to anew", func() error {
		return admin().Delete(t.Context(), &v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: site.node.NodeName}})
	})
	makeNamespace(t, "clashing")
	site.node.Node.ServeAs("squatter", 31999)
	put(t, MakeService("clashing/web").NodePort(80, 31999).Obj()) // which there is an event of
	eventually(t, "each of its rights is used", func() error {
		used, denied := audited(t, "system:serviceaccount:"+a.namespace+":"+a.name)
		for right := range a.everywhere {
			if !used[right] && !unusedSeldom[right] {
				return fmt.Errorf("not used: %s", right)
			}
		}
		if len(denied) > 0 {
			t.Fatalf("it was denied %v", denied)
		}
		return nil
	})
}

// audited is what the API server has seen a user do, and what it has denied.
func audited(t *testing.T, user string) (used rights, denied []string) {
	t.Helper()
	file, err := os.Open(site.auditLog)
	must(t, err)
	defer file.Close()
	used = rights{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb, RequestURI, UserAgent string
			User                        authenticationv1.UserInfo
			ObjectRef                   *struct{ APIGroup, Resource, Subresource string }
			Annotations                 map[string]string
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			continue // the last one is being written
		}
		ref := event.ObjectRef
		if event.User.Username != user || strings.HasPrefix(event.UserAgent, attacker) || ref == nil {
			continue
		}
		if event.Annotations["authorization.k8s.io/decision"] == "forbid" {
			denied = append(denied, event.Verb+" "+event.RequestURI)
		}
		used[event.Verb+" "+strings.TrimSuffix(ref.APIGroup+"/"+ref.Resource+"/"+ref.Subresource, "/")] = true
	}
	must(t, lines.Err())
	return used, denied
}

// attacker is the user agent of who has stolen a token.
const attacker = "attacker"

// thief is a client with the manager's token, or with that of node-proxy on a Node.
func thief(t *testing.T, kubeconfig string) client.Client {
	t.Helper()
	config := configFrom(t, kubeconfig)
	config.UserAgent = attacker
	return clientFor(t, config)
}

// stolen is node-proxy's token on a new Node.
func stolen(t *testing.T, node string) string {
	t.Helper()
	put(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}})
	kubeconfig, err := site.KubeconfigOn(t.Context(), node, install.NodeNamespace, install.NodeServiceAccount)
	must(t, err)
	return kubeconfig
}

func TestWhoHasStolenATokenOfOursDoesNotGetFurther(t *testing.T) {
	victim := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: "victim"}}
	put(t, victim)
	inOurs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "victim"}}
	put(t, inOurs)
	for name, kubeconfig := range map[string]string{"the manager's": site.installation.Kubeconfig, "node-proxy's": stolen(t, "stolen")} {
		c := thief(t, kubeconfig)
		ctx := t.Context()
		role := &rbacv1.ClusterRole{}
		must(t, admin().Get(ctx, client.ObjectKey{Name: "portolan-manager-role"}, role))
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}})
		svc := &corev1.Service{}
		must(t, admin().Get(ctx, client.ObjectKey{Namespace: "default", Name: "kubernetes"}, svc))
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: install.NodeNamespace, Name: "shell"},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
		impersonating := configFrom(t, kubeconfig)
		impersonating.Impersonate.UserName, impersonating.UserAgent = "system:admin", attacker
		for what, err := range map[string]error{
			"read a Secret":                   c.Get(ctx, client.ObjectKeyFromObject(victim), &corev1.Secret{}),
			"read another Secret of ours":     c.Get(ctx, client.ObjectKeyFromObject(inOurs), &corev1.Secret{}),
			"read another Lease of ours":      c.Get(ctx, client.ObjectKey{Namespace: install.Namespace, Name: "other"}, &coordinationv1.Lease{}),
			"list our Secrets":                c.List(ctx, &corev1.SecretList{}, client.InNamespace(install.Namespace)),
			"list all Secrets":                c.List(ctx, &corev1.SecretList{}),
			"read a ConfigMap":                c.Get(ctx, client.ObjectKey{Namespace: elsewhere, Name: "extension-apiserver-authentication"}, &corev1.ConfigMap{}),
			"get a token of another":          c.SubResource("token").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: "default"}}, &authenticationv1.TokenRequest{}),
			"get a token of its own":          c.SubResource("token").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "portolan-controller-manager"}}, &authenticationv1.TokenRequest{}),
			"widen a role":                    c.Update(ctx, role, client.DryRunAll),
			"bind a role":                     c.Create(ctx, makeBinding(name), client.DryRunAll),
			"be somebody else":                clientFor(t, impersonating).List(ctx, &corev1.ServiceList{}),
			"run a Pod":                       c.Create(ctx, pod, client.DryRunAll),
			"change a Service":                c.Update(ctx, svc, client.DryRunAll),
			"delete a Service":                c.Delete(ctx, svc, client.DryRunAll),
			"change a Node":                   c.Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "stolen"}}, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`)), client.DryRunAll),
			"lift the ledger's policy":        c.Delete(ctx, policy("portolan-ledger"), client.DryRunAll),
			"lift the policy of nodes":        c.Delete(ctx, policy("portolan-node-state"), client.DryRunAll),
			"make a pool":                     c.Create(ctx, makePool("thiefs", 31000, 31001, "default"), client.DryRunAll),
			"open a tenant's node ports":      c.Create(ctx, &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "thiefs"}}, client.DryRunAll),
			"write the state of another node": c.Create(ctx, &v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: "other-node"}}, client.DryRunAll),
		} {
			if !apierrors.IsForbidden(err) {
				t.Errorf("who has %s token can %s: %v", name, what, err)
			}
		}
	}
}

// What RBAC cannot say: the manager may patch the status of Services for its one condition, and ask for one that is refused.
func TestWithTheManagersTokenNobodyDrawsTrafficByServices(t *testing.T) {
	c, ctx := thief(t, site.installation.Kubeconfig), t.Context()
	for what, svc := range map[string]*corev1.Service{
		"a Service with an external IP": {ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "trap"},
			Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}, ExternalIPs: []string{"203.0.113.7"}}},
		"a Service": {ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "trap"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}}},
	} {
		if err := c.Create(ctx, svc); !apierrors.IsForbidden(err) {
			t.Errorf("it can create %s: %v", what, err)
		}
	}

	svc := MakeService("default/bank").NodePort(80, 0).LoadBalancer().Obj()
	put(t, svc)
	patch := func(text string) error {
		return c.Status().Patch(ctx, svc.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(text)))
	}
	for what, text := range map[string]string{
		"lead an address to it": `{"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.7"}]}}}`,
		"set another condition": `{"status":{"conditions":[{"type":"Ready","status":"True","reason":"R","message":"","lastTransitionTime":"2026-11-22T00:00:00Z"}]}}`,
		"keep it from going":    `{"metadata":{"finalizers":["thief.example.com/a"]}}`,
		"have it selected":      `{"metadata":{"labels":{"a":"b"}}}`,
		"give orders to others": `{"metadata":{"annotations":{"a":"b"}}}`,
		"have it deleted by GC": `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"gone","uid":"u"}]}}`,
	} {
		if err := patch(text); !apierrors.IsForbidden(err) {
			t.Errorf("it can %s: %v", what, err)
		}
	}
	must(t, patch(`{"status":{"conditions":[{"type":"portolan.dev/Allocated","status":"False","reason":"R","message":"","lastTransitionTime":"2026-11-22T00:00:00Z"}]}}`))
}

func makeBinding(subject string) *rbacv1.ClusterRoleBinding {
	b := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "thiefs"}}
	b.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}
	b.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: subject}}
	return b
}

func policy(name string) *admissionv1.ValidatingAdmissionPolicy {
	return &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestTheTokenOfANodeWritesThatNodesStateAndNoUsageOrClaim(t *testing.T) {
	c := thief(t, stolen(t, "its-own"))
	state := &v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: "its-own"}}
	putAs(t, c, state) // what it is for
	other := &v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: "not-its-own"}}
	putAs(t, thief(t, stolen(t, other.Name)), other)
	state.Status.NodePorts, other.Status.NodePorts = "30000", "30000"
	held := other.DeepCopy()
	held.Finalizers = []string{"portolan.dev/kept"}
	must(t, c.Status().Update(t.Context(), state))
	claim := &v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: "32111"}}
	usage := &v1alpha1.NodePortUsage{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "team-a"}}
	for what, err := range map[string]error{
		"another node's report": c.Status().Update(t.Context(), other),
		"a finalizer":           c.Update(t.Context(), held),
		"a deletion":            c.Delete(t.Context(), other),
		"a claim":               c.Create(t.Context(), claim),
		"a usage":               c.Create(t.Context(), usage),
		"a usage's status":      c.Status().Update(t.Context(), usage),
		"a look at all nodes":   c.List(t.Context(), &v1alpha1.NodePortNodeStateList{}),
		"a look at the ledger":  c.List(t.Context(), &v1alpha1.NodePortAllocationList{}),
		"a look at usages":      c.List(t.Context(), &v1alpha1.NodePortUsageList{}),
		"a look at promises":    c.List(t.Context(), &v1alpha1.NodePortReservationList{}),
		"a look at namespaces":  c.List(t.Context(), &corev1.NamespaceList{}),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What tenants may do with our kinds in their namespaces, by the ClusterRoles of Kubernetes that ours are aggregated to.
func TestTenantsMayDoWithOurKindsWhatTheirRoleSays(t *testing.T) {
	const ours = "portolan.dev/"
	const write = read + " create update patch delete deletecollection"
	makeNamespace(t, "roles")
	sees := union(allowing(read, ours+"nodeportaccesses", ours+"nodeportreservations", ours+"nodeportusages"),
		allowing("get", ours+"nodeportaccesses/status", ours+"nodeportreservations/status", ours+"nodeportusages/status"))
	for role, want := range map[string]rights{
		"view":  sees,
		"edit":  union(sees, allowing(write, ours+"nodeportaccesses")),
		"admin": union(sees, allowing(write, ours+"nodeportaccesses", ours+"nodeportreservations")),
	} {
		config := bind(t, "roles-"+role, role, "roles")
		eventually(t, role+" may do with our kinds what it is to", func() error {
			got := rightsOf(t, config, "roles")
			maps.DeleteFunc(got, func(right string, _ bool) bool { return !strings.Contains(right, " "+ours) })
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Errorf("(-want +got)\n%s", diff)
			}
			return nil
		})
		for right := range rightsOf(t, config, elsewhere) {
			if strings.Contains(right, " "+ours) {
				t.Errorf("%s may elsewhere %s", role, right)
			}
		}
	}
}
