package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/serviceports"
	"github.com/portolan-dev/portolan/test/cluster"
)

const (
	servicesKey = "/registry/services/specs/"
	claimsKey   = "/registry/portolan.dev/nodeportallocations/"
	// operationKey annotates a Service with the operation that wrote it.
	operationKey = "soak.portolan.dev/operation"
)

// follow records what etcd has from a revision on, until ctx is done. A revision is never left out: after a restart of etcd it
// goes on where it was.
func (r *record) follow(ctx context.Context, c *cluster.Cluster, from int64) {
	r.last = from - 1
	for ctx.Err() == nil {
		_ = c.WatchEtcd(ctx, r.seen()+1, r.took) // etcd is away
		pause(ctx, 50*time.Millisecond)
	}
}

// seen is the newest revision of a change.
func (r *record) seen() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// took takes in a change in etcd.
func (r *record) took(c cluster.Change) {
	now, ok := read(c)
	now.at = r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = max(r.last, c.Revision)
	if ok {
		r.changes = append(r.changes, now)
	}
}

// read is false for what is neither a Service nor a claim.
func read(c cluster.Change) (change, bool) {
	now := change{revision: c.Revision, gone: c.Value == nil}
	if name, ok := strings.CutPrefix(c.Key, servicesKey); ok {
		now.service = readService(name, c.Value)
		return now, true
	}
	if name, ok := strings.CutPrefix(c.Key, claimsKey); ok {
		now.claim = readClaim(name, c.Value)
		return now, true
	}
	return now, false
}

func readService(key string, value []byte) *service {
	namespace, name, _ := strings.Cut(key, "/")
	s := &service{name: types.NamespacedName{Namespace: namespace, Name: name}}
	if value == nil {
		return s
	}
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(value, nil, nil)
	svc, ok := object.(*corev1.Service)
	if err != nil || !ok {
		panic(fmt.Sprintf("etcd has %T at %s: %v", object, key, err))
	}
	s.uid, s.numbers, s.by = svc.UID, serviceports.Numbers(serviceports.Requests(svc)), svc.Annotations[operationKey]
	return s
}

func readClaim(name string, value []byte) *claim {
	a := &v1alpha1.NodePortAllocation{}
	if value != nil {
		if err := json.Unmarshal(value, a); err != nil {
			panic(fmt.Sprintf("etcd has at %s: %v", name, err))
		}
	}
	a.Name = name
	number, _ := allocator.NumberOf(a)
	return &claim{number: number, spec: a.Spec}
}

// stateOf is what a claim is at a moment.
func stateOf(c *claim, now time.Time) allocator.State {
	return allocator.StateOf(&v1alpha1.NodePortAllocation{Spec: c.spec}, now)
}

// String says in one line what the ledger has.
func (c *claim) String() string {
	if c == nil {
		return "no claim"
	}
	words := []string{"a claim for " + c.owner().String()}
	if c.spec.ServiceUID != "" {
		words = append(words, "bound to "+string(c.spec.ServiceUID))
	}
	if c.spec.ReservationName != "" {
		words = append(words, "reserved by "+c.spec.ReservationName)
	}
	if c.spec.ClaimTime != nil {
		words = append(words, "claimed at "+c.spec.ClaimTime.UTC().Format("15:04:05.000"))
	}
	if c.spec.HoldUntil != nil {
		words = append(words, "held until "+c.spec.HoldUntil.UTC().Format("15:04:05"))
	}
	return strings.Join(append(words, string(c.spec.Origin)), ", ")
}
