package security

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/test/polling"
)

const (
	// patience is how long anything may take that is to happen by itself.
	patience = time.Minute
	poll     = 20 * time.Millisecond
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for check to succeed.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	if err := polling.Until(patience, poll, check); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// makeNamespace makes a namespace for as long as the test.
func makeNamespace(t *testing.T, name string) {
	t.Helper()
	put(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// put creates an object for as long as the test.
func put(t *testing.T, object client.Object) {
	t.Helper()
	putAs(t, admin(), object)
}

// putAs is put by somebody who may create the object; the admin takes it away.
func putAs(t *testing.T, c client.Client, object client.Object) {
	t.Helper()
	must(t, c.Create(t.Context(), object))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := client.IgnoreNotFound(admin().Delete(ctx, object)); err != nil {
			t.Errorf("tidy up: %v", err)
		}
	})
}

// makePool makes a pool for namespaces.
func makePool(name string, from, to int32, namespaces ...string) *v1alpha1.NodePortPool {
	pool := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	pool.Spec.Ranges = []v1alpha1.PortRange{{From: from, To: to}}
	pool.Spec.NamespaceSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{
		Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: namespaces}}
	return pool
}

// bind gives a user a ClusterRole in a namespace, and returns the way of that user to the cluster.
func bind(t *testing.T, user, role, namespace string) *rest.Config {
	t.Helper()
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user}}
	binding.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	put(t, binding)
	return configFrom(t, kubeconfigOf(t, user))
}

func kubeconfigOf(t *testing.T, user string) string {
	t.Helper()
	path, err := site.KubeconfigOf(user)
	must(t, err)
	return path
}

// configFrom reads a kubeconfig. What the API server warns of is for those who ask for it.
func configFrom(t *testing.T, kubeconfig string) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(t, err)
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	return config
}

func clientFor(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{Scheme: scheme.New()})
	must(t, err)
	return c
}

// awaitPool waits until Services of a namespace get numbers of a pool.
func awaitPool(t *testing.T, pool *v1alpha1.NodePortPool) {
	t.Helper()
	eventually(t, "pool "+pool.Name+" is known", func() error {
		seen := &v1alpha1.NodePortPool{}
		if err := admin().Get(t.Context(), client.ObjectKeyFromObject(pool), seen); err != nil {
			return err
		}
		if len(seen.Status.Conditions) == 0 {
			return fmt.Errorf("its status is %+v", seen.Status)
		}
		return nil
	})
}
