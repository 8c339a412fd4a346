package certificate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strconv"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	secretKind = iota
	mutatingKind
	validatingKind
	kinds
)

// site is the objects of a cluster with all their versions, and the machines that see them, each at its own pace.
type site struct {
	t        *rapid.T
	clock    *testingclock.FakePassiveClock
	versions [kinds][]version
	replicas []*replica
	servers  []*view         // API servers
	verified map[string]bool // bundles with the certificates that they trust: to verify takes time
}

type version struct {
	object client.Object
	made   time.Time
}

// view is how much of the versions somebody has seen.
type view struct{ seen [kinds]int }

// replica is a Keeper on a view. It is the client of its Keeper.
type replica struct {
	client.Client
	*site
	view
	keeper *Keeper
	again  time.Time
}

func kindOf(object client.Object) int {
	switch object.(type) {
	case *corev1.Secret:
		return secretKind
	case *admissionv1.MutatingWebhookConfiguration:
		return mutatingKind
	}
	return validatingKind
}

func (r *replica) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	switch seen := r.versions[kindOf(object)][r.seen[kindOf(object)]].object.DeepCopyObject().(type) {
	case *corev1.Secret:
		*object.(*corev1.Secret) = *seen
	case *admissionv1.MutatingWebhookConfiguration:
		*object.(*admissionv1.MutatingWebhookConfiguration) = *seen
	case *admissionv1.ValidatingWebhookConfiguration:
		*object.(*admissionv1.ValidatingWebhookConfiguration) = *seen
	}
	return nil
}

func (r *replica) Update(_ context.Context, object client.Object, _ ...client.UpdateOption) error {
	if object.GetResourceVersion() != strconv.Itoa(len(r.versions[kindOf(object)])-1) {
		return apierrors.NewConflict(schema.GroupResource{}, object.GetName(), errors.New("seen too little"))
	}
	r.write(object)
	return nil
}

func (s *site) write(object client.Object) {
	kind := kindOf(object)
	object = object.DeepCopyObject().(client.Object)
	object.SetResourceVersion(strconv.Itoa(len(s.versions[kind])))
	s.versions[kind] = append(s.versions[kind], version{object, s.clock.Now()})
}

// latest is a copy of an object as it is.
func (s *site) latest(kind int) client.Object {
	all := s.versions[kind]
	return all[len(all)-1].object.DeepCopyObject().(client.Object)
}

func (r *replica) reconcile() {
	result, err := r.keeper.Reconcile(context.Background(), reconcile.Request{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.again = r.clock.Now().Add(result.RequeueAfter)
}

func (s *site) startReplica() *replica {
	r := &replica{site: s}
	for kind := range r.seen {
		r.seen[kind] = len(s.versions[kind]) - 1
	}
	r.keeper = NewKeeper(Options{DNSNames: []string{"localhost"}}, r, s.clock)
	s.replicas = append(s.replicas, r)
	r.reconcile()
	return r
}

// catchUp has a view see more of one kind; returns whether there was more.
func (s *site) catchUp(v *view, kind, most int) bool {
	more := min(most, len(s.versions[kind])-1-v.seen[kind])
	v.seen[kind] += more
	return more > 0
}

// pass lets time pass. Nobody but replicas is ever more than lag behind.
func (s *site) pass(d, lag time.Duration) {
	s.clock.SetTime(s.clock.Now().Add(d))
	for _, server := range s.servers {
		for kind, all := range s.versions {
			for i, v := range all {
				if s.clock.Since(v.made) >= lag {
					server.seen[kind] = max(server.seen[kind], i)
				}
			}
		}
	}
	for _, r := range s.replicas {
		if !s.clock.Now().Before(r.again) {
			r.reconcile()
		}
	}
}

// agree fails unless every API server trusts every replica that may be called.
func (s *site) agree() {
	for i, server := range s.servers {
		mutating := s.versions[mutatingKind][server.seen[mutatingKind]].object.(*admissionv1.MutatingWebhookConfiguration)
		validating := s.versions[validatingKind][server.seen[validatingKind]].object.(*admissionv1.ValidatingWebhookConfiguration)
		bundles := [][]byte{mutating.Webhooks[0].ClientConfig.CABundle, validating.Webhooks[0].ClientConfig.CABundle, validating.Webhooks[1].ClientConfig.CABundle}
		for j, r := range s.replicas {
			served, err := r.keeper.GetCertificate(nil)
			if err != nil {
				continue // it is not ready
			}
			for _, bundle := range bundles {
				pair := string(bundle) + string(served.Leaf.Raw)
				s.verified[pair] = s.verified[pair] || trusts(bundle, served.Leaf, "localhost", s.clock.Now())
				if !s.verified[pair] {
					s.t.Fatalf("API server %d, of %v, does not trust replica %d, of %v", i, server.seen, j, r.seen)
				}
			}
		}
	}
}

// renewNow does what Keepers do when a certificate comes near its end, and faster.
func (s *site) renewNow(what renewal) {
	secret := s.latest(secretKind).(*corev1.Secret)
	secret.Data = quickly(s.t, secret.Data, what, s.clock.Now())
	s.write(secret)
}

// handedOver says whether all serve what the Secret has.
func (s *site) handedOver() bool {
	want := certificatesIn(s.latest(secretKind).(*corev1.Secret).Data[serverCert])[0]
	for _, r := range s.replicas {
		if got, err := r.keeper.GetCertificate(nil); err != nil || !got.Leaf.Equal(want) {
			return false
		}
	}
	return true
}

func newSite(t *rapid.T, replicas, servers int) *site {
	s := &site{t: t, verified: map[string]bool{}, clock: testingclock.NewFakePassiveClock(time.Now().Truncate(time.Second))}
	data := quickly(t, nil, everything, s.clock.Now())
	trusted := admissionv1.WebhookClientConfig{CABundle: data[authorityCert]}
	s.write(&corev1.Secret{Data: data})
	s.write(&admissionv1.MutatingWebhookConfiguration{Webhooks: []admissionv1.MutatingWebhook{{ClientConfig: trusted}}})
	s.write(&admissionv1.ValidatingWebhookConfiguration{Webhooks: []admissionv1.ValidatingWebhook{{ClientConfig: trusted}, {ClientConfig: trusted}}})
	s.clock.SetTime(s.clock.Now().Add(2 * inStep))
	for range servers {
		s.servers = append(s.servers, &view{})
	}
	for range replicas {
		s.startReplica()
	}
	return s
}

func TestNoAPIServerEverDistrustsAReplicaWhateverTheOrderInWhichAHandoverIsSeen(t *testing.T) {
	const lag = settle - time.Millisecond
	rapid.Check(t, func(t *rapid.T) {
		s := newSite(t, rapid.IntRange(1, 3).Draw(t, "replicas"), rapid.IntRange(1, 2).Draw(t, "API servers"))
		if !s.handedOver() {
			t.Fatal("the replicas do not serve at the start")
		}
		kind, most := rapid.IntRange(0, kinds-1), rapid.IntRange(1, 3)
		t.Repeat(map[string]func(*rapid.T){
			"a replica sees": func(t *rapid.T) {
				r := s.replicas[rapid.IntRange(0, len(s.replicas)-1).Draw(t, "replica")]
				if s.catchUp(&r.view, kind.Draw(t, "kind"), most.Draw(t, "most")) {
					r.reconcile()
				}
			},
			"an API server sees": func(t *rapid.T) {
				s.catchUp(s.servers[rapid.IntRange(0, len(s.servers)-1).Draw(t, "server")], kind.Draw(t, "kind"), most.Draw(t, "most"))
			},
			"time passes": func(t *rapid.T) {
				s.pass(time.Duration(rapid.IntRange(1, 12).Draw(t, "seconds"))*time.Second, lag)
			},
			"renewal": func(t *rapid.T) {
				if s.handedOver() {
					s.renewNow(rapid.SampledFrom([]renewal{server, everything}).Draw(t, "what"))
				}
			},
			"a replica is replaced": func(*rapid.T) {
				s.startReplica()
				s.replicas = s.replicas[1:]
			},
			"": func(*rapid.T) { s.agree() },
		})
		// And it comes to an end.
		for range 5 {
			for _, r := range s.replicas {
				for kind := range kinds {
					s.catchUp(&r.view, kind, len(s.versions[kind]))
				}
				r.reconcile()
			}
		}
		s.pass(settle, lag)
		s.agree()
		if !s.handedOver() {
			t.Fatal("the handover does not end")
		}
	})
}

// quickly is renew with elliptic keys, which take no time.
func quickly(t rapid.TB, data map[string][]byte, what renewal, now time.Time) map[string][]byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, NotBefore: now.Add(-backdated), NotAfter: now.Add(serverLifetime),
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, ExtKeyUsage: forServers}
	made := map[string][]byte{authorityCert: data[authorityCert], authorityKey: data[authorityKey]}
	cert, keyName := serverCert, serverKey
	parent, signer := template, key
	if what == everything {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		template.Subject.CommonName, template.DNSNames, template.ExtKeyUsage = authorityName, []string{authorityName}, nil
		template.NotAfter = now.Add(authorityLifetime)
		cert, keyName = authorityCert, authorityKey
	} else {
		block, _ := pem.Decode(data[authorityKey])
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		parent, signer = certificatesIn(data[authorityCert])[0], parsed.(*ecdsa.PrivateKey)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	made[cert] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	made[keyName] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	if what == everything {
		return quickly(t, made, server, now)
	}
	return made
}
