package export

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/export/format"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func kindsOf() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}

// shop is a cluster with a node and a Service; list, if it is not nil, is asked before each list.
func shop(list func(client.ObjectList) error) client.Client {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}, Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.1"}},
	}}
	allocation := &v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: "30080"}}
	allocation.Spec.PoolName = "team-a"
	return fake.NewClientBuilder().WithScheme(kindsOf()).
		WithObjects(node, allocation, &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: "b"}}, st.MakeService("shop/web").NodePort(80, 30080).Obj(), st.MakeService("blog/web").NodePort(80, 30081).Obj()).
		WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, of client.ObjectList, options ...client.ListOption) error {
				if list != nil {
					if err := list(of); err != nil {
						return err
					}
				}
				return c.List(ctx, of, options...)
			},
		}).Build()
}

// exported is what an export prints, and says besides.
func exported(t *testing.T, o Options) (out, said string, err error) {
	t.Helper()
	var text, notes bytes.Buffer
	o.Out, o.Err = &text, &notes
	if o.Client == nil {
		o.Client = shop(nil)
	}
	err = o.Run(t.Context())
	return text.String(), notes.String(), err
}

func mustFormat(t *testing.T, name string) format.Format {
	t.Helper()
	f, err := format.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAnExportIsPrintedOrWritten(t *testing.T) {
	o := Options{Format: mustFormat(t, "csv")}
	printed, said, err := exported(t, o)
	if err != nil || said != "" || !strings.Contains(printed, "shop,web,,TCP,80,30080,team-a,Cluster,,node-1,192.0.2.1,0.0.0.0/0\n") {
		t.Fatalf("printed %q, said %q, error %v", printed, said, err)
	}
	o.Output, o.Exec = filepath.Join(t.TempDir(), "ports.csv"), "echo reloaded"
	for _, step := range []struct{ name, want string }{
		{"at first", o.Output + " is written: 2 node ports at 1 node\nreloaded\n"},
		{"without a change", ""},
	} {
		if out, said, err := exported(t, o); err != nil || out != "" || said != step.want {
			t.Errorf("%s: printed %q, said %q, error %v", step.name, out, said, err)
		}
		wantText(t, o.Output, printed)
	}
}

func TestOneNamespaceIsReadWhereOneIsWanted(t *testing.T) {
	o := Options{Format: mustFormat(t, "csv")}
	o.Filter.Namespace = "blog"
	if out, _, err := exported(t, o); err != nil || strings.Contains(out, "shop") || !strings.Contains(out, "blog,web") {
		t.Errorf("printed %q, error %v", out, err)
	}
}

// refusing has lists of some kinds refused.
func refusing(err error, kinds ...client.ObjectList) client.Client {
	return shop(func(of client.ObjectList) error {
		same := func(kind client.ObjectList) bool { return nameOf(kind) == nameOf(of) }
		if slices.ContainsFunc(kinds, same) {
			return err
		}
		return nil
	})
}

func nameOf(list client.ObjectList) string {
	kinds, _, err := kindsOf().ObjectKinds(list)
	if err != nil {
		panic(err)
	}
	return kinds[0].Kind
}

func TestWhatCannotBeReadIsLeftOutOnlyWhereNothingIsOpenedByIt(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "", errors.New("not you"))
	unknown := &meta.NoKindMatchError{GroupKind: v1alpha1.GroupVersion.WithKind("Thing").GroupKind()}
	allocations, accesses, pools := &v1alpha1.NodePortAllocationList{}, &v1alpha1.NodePortAccessList{}, &v1alpha1.NodePortPoolList{}
	for _, test := range []struct {
		name   string
		format string
		pools  []string
		bare   bool
		client client.Client
		fails  string // what the error says; "": there is none
		says   string
	}{
		{name: "nodes", format: "haproxy", client: refusing(forbidden, &corev1.NodeList{}), fails: "you may not list nodes, "},
		{name: "Services", format: "haproxy", client: refusing(forbidden, &corev1.ServiceList{}), fails: "ClusterRole view"},
		{name: "Portolan is not there, for a load balancer", format: "haproxy", client: refusing(unknown, allocations, accesses, pools)},
		{name: "Portolan is not there, for a firewall", format: "nftables", client: refusing(unknown, allocations, accesses, pools),
			fails: "no kind NodePortAccess, which says who may reach a port: Portolan is not installed, or not yet; --without-portolan"},
		{name: "pools are not there, for a firewall", format: "iptables", client: refusing(unknown, pools), fails: "no kind NodePortPool,"},
		{name: "Portolan is not there, for a table", format: "csv", client: refusing(unknown, allocations, accesses, pools), fails: "--without-portolan"},
		{name: "Portolan is not to be there", format: "nftables", bare: true, client: refusing(unknown, allocations, accesses, pools)},
		{name: "Portolan is not to be there, and accesses are refused", format: "nftables", bare: true, client: refusing(forbidden, accesses), fails: "open to everybody"},
		{name: "Portolan is not there, and a pool is wanted", format: "csv", pools: []string{"a"}, client: refusing(unknown, allocations, accesses, pools),
			fails: "Portolan is not installed"},
		{name: "allocations, for names of pools", format: "csv", client: refusing(forbidden, allocations), says: "pools are left out"},
		{name: "allocations, where a pool is wanted", format: "csv", pools: []string{"a"}, client: refusing(forbidden, allocations), fails: "reading the NodePortAllocations"},
		{name: "accesses, for a firewall", format: "nftables", client: refusing(forbidden, accesses), fails: "open to everybody"},
		{name: "accesses, for a load balancer", format: "haproxy", client: refusing(forbidden, accesses)},
		{name: "pools, for a firewall", format: "nftables", client: refusing(forbidden, pools), says: "ceilings"},
		{name: "pools, and not for want of rights", format: "nftables", client: refusing(apierrors.NewInternalError(errors.New("oops")), pools), fails: "reading the NodePortPools"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Format: mustFormat(t, test.format), Client: test.client, WithoutPortolan: test.bare}
			o.Filter.Pools = test.pools
			out, said, err := exported(t, o)
			switch {
			case test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails) || out != ""):
				t.Errorf("printed %q, error %v, want %q", out, err, test.fails)
			case test.fails == "" && (err != nil || out == ""):
				t.Errorf("printed %q, error %v, want none", out, err)
			case !strings.Contains(said, test.says) || test.says == "" && said != "":
				t.Errorf("said %q, want %q", said, test.says)
			}
		})
	}
}

func TestAFileStaysWhereTheClusterCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portolan.cfg")
	mustWrite(t, path, "one", 0o644)
	o := Options{Format: mustFormat(t, "haproxy"), Output: path, Client: refusing(errors.New("no route"), &corev1.ServiceList{})}
	if _, _, err := exported(t, o); err == nil {
		t.Error("there is no error")
	}
	wantText(t, path, "one")
}

func TestOptionsThatDoNotGoTogetherAreRefused(t *testing.T) {
	haproxy := mustFormat(t, "haproxy")
	for _, test := range []struct {
		name string
		o    Options
		want string
	}{
		{"watch without a file", Options{Format: haproxy, Watch: true}, "--output"},
		{"a hook without a file", Options{Format: haproxy, Exec: "true"}, "--output"},
		{"a zone without a name", Options{Format: mustFormat(t, "dns")}, "--zone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if out, _, err := exported(t, test.o); err == nil || !strings.Contains(err.Error(), test.want) || out != "" {
				t.Errorf("printed %q, error %v, want one that says %s", out, err, test.want)
			}
		})
	}
}
