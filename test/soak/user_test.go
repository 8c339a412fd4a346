package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/serviceports"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// user is a client that does to Services of a namespace what people do, at random, by its own seed.
type user struct {
	*record
	api    client.Client
	id     int
	random *rand.Rand
	names  []types.NamespacedName
	pool   pool
	saved  map[types.NamespacedName]*corev1.Service // manifests, with their numbers
	count  int
}

// breath is how long a client waits at most between two operations.
const breath = 80 * time.Millisecond

// newUsers are twelve of them, in four namespaces: each has names of its own, and shares others.
func (s *site) newUsers(g ground) ([]*user, error) {
	var users []*user
	namespaces := []string{"shared-a", "shared-b", "held", "unlimited"}
	for id := range 12 {
		u, err := s.newUser(g, id, namespaces[id%len(namespaces)])
		if err != nil {
			return nil, err
		}
		for _, name := range []string{fmt.Sprint("mine-", id), fmt.Sprint("other-", id), "ours", promised} {
			u.names = append(u.names, types.NamespacedName{Namespace: namespaces[id%len(namespaces)], Name: name})
		}
		users = append(users, u)
	}
	return users, nil
}

func (s *site) newUser(g ground, id int, namespace string) (*user, error) {
	api, err := s.user()
	if err != nil {
		return nil, err
	}
	p, _ := g.poolOf(namespace)
	return &user{record: s.record, api: api, id: id, random: rand.New(rand.NewPCG(s.seed, uint64(id))), pool: p,
		saved: map[types.NamespacedName]*corev1.Service{}}, nil
}

// run goes on until ctx is done, but while the cluster is wanted for something else. An operation that has begun is waited
// for.
func (u *user) run(ctx context.Context, quiet *sync.RWMutex) {
	for pause(ctx, upTo(u.random, breath)) {
		quiet.RLock()
		u.step(context.WithoutCancel(ctx))
		quiet.RUnlock()
	}
}

// step looks at a Service, and does something with it.
func (u *user) step(ctx context.Context) {
	name := u.names[u.random.IntN(len(u.names))]
	live := u.look(ctx, name)
	if live == nil {
		u.make(ctx, name)
		return
	}
	u.saved[name] = manifest(live)
	switch u.random.IntN(8) {
	case 0, 1:
		u.remove(ctx, "delete", live)
	case 2:
		u.remove(ctx, "delete to re-create", live)
		u.create(ctx, "re-create", u.draw(name, u.random.IntN(2)))
	case 3:
		u.remove(ctx, "delete to restore", live)
		u.create(ctx, "restore", manifest(live))
	case 4, 5:
		u.change(ctx, "change the number", live, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = u.number() })
	case 6:
		u.change(ctx, "add a port", live, func(svc *corev1.Service) { addPort(svc, u.number()*int32(u.random.IntN(2))) })
	case 7:
		u.change(ctx, "drop a port", live, func(svc *corev1.Service) {
			if len(svc.Spec.Ports) > 1 {
				svc.Spec.Ports = svc.Spec.Ports[1:]
			}
		})
	}
}

// make creates a Service that there is none of.
func (u *user) make(ctx context.Context, name types.NamespacedName) {
	if saved := u.saved[name]; saved != nil && u.random.IntN(3) == 0 {
		u.create(ctx, "restore", saved)
		return
	}
	switch u.random.IntN(6) {
	case 0, 1:
		u.create(ctx, "create", u.draw(name, 0))
	case 2, 3:
		u.create(ctx, "create with a number", u.draw(name, 1))
	case 4:
		svc := u.draw(name, u.random.IntN(2))
		addPort(svc, 0)
		addPort(svc, 0)
		u.create(ctx, "create with three ports", svc)
	case 5:
		svc := u.draw(name, 0)
		svc.Spec.Type, svc.Spec.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyLocal
		u.create(ctx, "create with local traffic", svc)
	}
}

// draw is a Service of one port, with a number or (0) without.
func (u *user) draw(name types.NamespacedName, numbers int) *corev1.Service {
	return servicetest.MakeService(name.String()).NodePort(80, u.number()*int32(numbers), servicetest.Named(portName(0))).Obj()
}

// number is one of the pool's.
func (u *user) number() int32 { return u.pool.from + u.random.Int32N(u.pool.to-u.pool.from+1) }

func addPort(svc *corev1.Service, number int32) {
	port := int32(80)
	for _, p := range svc.Spec.Ports {
		port = max(port, p.Port+1)
	}
	svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: portName(int(port - 80)), Port: port,
		TargetPort: intstr.FromInt32(80), Protocol: corev1.ProtocolTCP, NodePort: number})
}

// manifest is what a backup has of a Service.
func manifest(svc *corev1.Service) *corev1.Service {
	saved := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: svc.Namespace, Name: svc.Name}}
	saved.Spec.Type, saved.Spec.ExternalTrafficPolicy = svc.Spec.Type, svc.Spec.ExternalTrafficPolicy
	saved.Spec.HealthCheckNodePort = svc.Spec.HealthCheckNodePort
	saved.Spec.Ports = slices.Clone(svc.Spec.Ports)
	return saved
}

// look reads a Service; nil where there is none, or no answer.
func (u *user) look(ctx context.Context, name types.NamespacedName) *corev1.Service {
	svc := &corev1.Service{}
	err := u.do("read", name, nil, func(o *operation) error {
		err := u.api.Get(ctx, name, svc)
		o.answered(svc, err)
		return client.IgnoreNotFound(err)
	})
	if err != nil || svc.UID == "" || svc.DeletionTimestamp != nil {
		return nil
	}
	return svc
}

func (u *user) create(ctx context.Context, kind string, svc *corev1.Service) {
	svc = svc.DeepCopy()
	name := client.ObjectKeyFromObject(svc)
	_ = u.do(kind, name, serviceports.Numbers(serviceports.Stored(svc)), func(o *operation) error {
		svc.Annotations = map[string]string{operationKey: o.id}
		err := u.api.Create(ctx, svc)
		o.answered(svc, err)
		return err
	})
}

func (u *user) change(ctx context.Context, kind string, live *corev1.Service, change func(*corev1.Service)) {
	svc := live.DeepCopy()
	change(svc)
	_ = u.do(kind, client.ObjectKeyFromObject(svc), serviceports.Numbers(serviceports.Stored(svc)), func(o *operation) error {
		metav1.SetMetaDataAnnotation(&svc.ObjectMeta, operationKey, o.id)
		err := u.api.Update(ctx, svc)
		o.answered(svc, err)
		return err
	})
}

func (u *user) remove(ctx context.Context, kind string, live *corev1.Service) {
	_ = u.do(kind, client.ObjectKeyFromObject(live), nil, func(o *operation) error {
		o.uid = live.UID
		return u.api.Delete(ctx, live, client.Preconditions{UID: &live.UID})
	})
}

// answered notes what a client was told of a Service.
func (o *operation) answered(svc *corev1.Service, err error) {
	if err == nil {
		o.uid, o.numbers = svc.UID, serviceports.Numbers(serviceports.Requests(svc))
	}
}

// do records an operation.
func (u *user) do(kind string, name types.NamespacedName, asked []int32, ask func(*operation) error) error {
	u.count++
	o := operation{id: fmt.Sprintf("%d-%d", u.id, u.count), kind: kind, service: name, asked: asked, call: u.now()}
	err := ask(&o)
	o.back, o.outcome = u.now(), outcomeOf(err)
	if err != nil {
		o.said = err.Error()
	}
	u.operated(o)
	return err
}

// outcomeOf is refused only where the API server says that it has done nothing.
func outcomeOf(err error) outcome {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return done
	case errors.As(err, &status) && status.Status().Code < 500 && status.Status().Code >= 400 && !apierrors.IsTooManyRequests(err):
		return refused
	}
	return unknown
}
