package integration

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

const reasonConflict = "NodePortConflict"

// throughTheHole gives a new Service a number that another Service has, which works as long as no webhook answers:
// an ExternalName Service stores a number without its being allocated, and keeps it when its type changes.
func (w *world) throughTheHole(name string, n int32) *corev1.Service {
	w.Helper()
	svc := makeService(name).Type(corev1.ServiceTypeExternalName).NodePort(80, n).Obj()
	svc.Spec.ExternalName = "example.com"
	w.must(w.Create(w.Context(), svc))
	if number(svc) != n {
		w.Fatalf("the API server does not store %d on an ExternalName Service any more: has it %d?", n, number(svc))
	}
	return w.change(svc, func(svc *corev1.Service) {
		svc.Spec.Type = corev1.ServiceTypeNodePort
		svc.Spec.ExternalName = ""
	})
}

// holes are the ways in which the API server gives a number that a Service has to another one, while no webhook answers.
var holes = []struct {
	name string
	open func(w *world, first *corev1.Service, second string) *corev1.Service
}{{
	name: "an ExternalName Service keeps its number when its type changes",
	open: func(w *world, first *corev1.Service, second string) *corev1.Service {
		return w.throughTheHole(second, number(first))
	},
}, {
	name: "the deletion of an ExternalName Service frees what is stored there",
	open: func(w *world, first *corev1.Service, second string) *corev1.Service {
		external := makeService(second).Type(corev1.ServiceTypeExternalName).NodePort(80, number(first)).Obj()
		external.Spec.ExternalName = "example.com"
		w.must(w.Create(w.Context(), external))
		w.remove(external)
		return w.create(makeService(second).NodePort(80, number(first)))
	},
}, {
	name: "an update that loses to another one frees the number that it would have given up",
	open: func(w *world, first *corev1.Service, second string) *corev1.Service {
		var svc *corev1.Service
		to := leaky.From + 40 // of no pool
		w.eventually("the number is free for the API server", func() (err error) {
			to++
			w.loseUpdate(first, to) // too late, perhaps, to have released anything
			svc, err = w.tryCreate(makeService(second).NodePort(80, number(first)))
			return err
		})
		return svc
	},
}}

// leaky are numbers of which the API server may think, after the holes, that some are allocated: no other test has them.
var leaky = v1alpha1.PortRange{From: 31900, To: 31999}

// loseUpdate has an update that gives a Service another number meet one that labels it, until it loses. The API server
// has then released the Service's number, and leaks the other one: store.Update commits before the write.
func (w *world) loseUpdate(svc *corev1.Service, to int32) {
	w.Helper()
	w.eventually("an update loses", func() error {
		labelled, renumbered := w.fetch(svc), w.fetch(svc)
		labelled.Labels = map[string]string{"version": labelled.ResourceVersion}
		renumbered.Spec.Ports[0].NodePort = to
		var errs [2]error
		var updates sync.WaitGroup
		updates.Go(func() { errs[0] = w.Update(w.Context(), labelled) })
		updates.Go(func() { errs[1] = w.Update(w.Context(), renumbered) })
		updates.Wait()
		if errs[0] == nil && apierrors.IsConflict(errs[1]) {
			return nil
		}
		w.change(svc, func(now *corev1.Service) { now.Spec.Ports[0].NodePort = number(svc) })
		return fmt.Errorf("they say %v", errs)
	})
}

func TestTwoServicesOnOneNumberByAnyHoleAreNamedAndEventedAndNeitherIsRenumbered(t *testing.T) {
	w := alone(t)
	numbers := func(i int) v1alpha1.PortRange {
		return v1alpha1.PortRange{From: leaky.From + 10*int32(i), To: leaky.From + 10*int32(i) + 9}
	}
	var firsts, seconds []*corev1.Service
	for i := range holes {
		firsts = append(firsts, w.create(makeService(w.namespace("shop")+"/first").NodePort(80, numbers(i).From)))
	}
	w.ageOf(firsts[len(firsts)-1])
	for i, hole := range holes {
		other := w.namespace("other")
		second := hole.open(w, firsts[i], other+"/second")
		if number(second) != number(firsts[i]) {
			t.Errorf("%s: the hole is closed: the numbers are %d and %d", hole.name, number(firsts[i]), number(second))
		}
		seconds = append(seconds, second)
		w.pool("team-a", numbers(i), serving(firsts[i].Namespace, other))
	}
	w.start(nil)
	for i, hole := range holes {
		t.Run(hole.name, func(t *testing.T) {
			w := *w
			w.T = t
			w.wantConflict(firsts[i], seconds[i])
		})
	}
}

// wantConflict waits until a conflict is reported to all whom it concerns, mends it as they are told, and waits until
// it is over.
func (w *world) wantConflict(first, second *corev1.Service) {
	w.Helper()
	n := number(first)
	claim := w.wantReason(n, v1alpha1.AllocationReasonConflict)
	if owner := claim.Spec.ServiceRef; owner != referenceTo(first) {
		w.Errorf("%v has the number, want the older Service", owner)
	}
	if diff := cmp.Diff([]v1alpha1.ServiceReference{referenceTo(second)}, claim.Status.ConflictsWith); diff != "" {
		w.Errorf("conflictsWith (-want +got)\n%s", diff)
	}
	text := fmt.Sprintf("node port %d is also carried by a Service in another namespace", n)
	var advice string
	for _, svc := range []*corev1.Service{first, second} {
		if got := w.wantTrouble(svc, reasonConflict); got != text {
			w.Errorf("the condition of %s says %q, want %q", svc.Name, got, text)
		}
		advice = w.wantEvent(svc, reasonConflict, text)
		if now := number(w.fetch(svc)); now != n {
			w.Errorf("%s was given %d", svc.Name, now)
		}
	}
	w.cached(second)
	w.runMendingCommand(advice)
	w.wantReason(n, v1alpha1.AllocationReasonInUse)
	w.wantTrouble(first, "")
	w.wantTrouble(second, "")
	w.wantAllBound(w.fetch(second))
	if owner := w.claim(n).Spec.ServiceRef; owner != referenceTo(first) {
		w.Errorf("%v has the number in the end, want the older Service", owner)
	}
}

func referenceTo(svc *corev1.Service) v1alpha1.ServiceReference {
	return v1alpha1.ServiceReference{Namespace: svc.Namespace, Name: svc.Name}
}

func TestANumberThatTheAPIServerFreesByMistakeIsGivenToNobody(t *testing.T) {
	w := alone(t)
	shop := w.namespace("shop")
	numbers := v1alpha1.PortRange{From: leaky.To - 2, To: leaky.To} // of which the update that loses leaves one pending
	w.pool("team-a", numbers, serving(shop))
	w.start(nil)
	web := w.create(makeService(shop+"/web").NodePort(80, numbers.From))
	w.wantAllBound(web)
	w.loseUpdate(web, numbers.To)
	_, err := w.tryCreate(makeService(shop+"/api").NodePort(80, numbers.From))
	w.wantRefusal(err, `already allocated to Service "web" in this namespace`)
	if got := number(w.create(makeService(shop+"/api").NodePort(80, 0))); got == numbers.From {
		t.Errorf("%d was picked, which a Service has", got)
	}
	if got := number(w.fetch(web)); got != numbers.From {
		t.Errorf("the Service now has %d, had %d", got, numbers.From)
	}
}

func TestTwoServicesOnOneNumberAreReportedAndTheSurvivorTakesOver(t *testing.T) {
	w := alone(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	const n = 31100
	first := w.create(makeService(shop+"/first").NodePort(80, n))
	w.ageOf(first)
	second := w.throughTheHole(shop+"/second", n)
	w.ageOf(second)
	third := w.throughTheHole(other+"/third", n)
	if number(second) != n || number(third) != n {
		t.Skipf("the hole is closed: the numbers are %d and %d", number(second), number(third))
	}
	w.pool("team-a", v1alpha1.PortRange{From: n, To: n + 9}, serving(shop, other))
	w.start(nil)

	claim := w.wantReason(n, v1alpha1.AllocationReasonConflict)
	if got := claim.Spec.ServiceRef.Name; got != "first" {
		t.Errorf("%s has the number, want the oldest", got)
	}
	want := []v1alpha1.ServiceReference{{Namespace: shop, Name: "second"}, {Namespace: other, Name: "third"}}
	if diff := cmp.Diff(want, claim.Status.ConflictsWith, sortedReferences); diff != "" {
		t.Errorf("conflictsWith (-want +got)\n%s", diff)
	}
	for svc, want := range map[*corev1.Service]string{
		first:  `node port 31100 is also carried by Service "second" and a Service in another namespace`,
		second: `node port 31100 is also carried by Service "first" and a Service in another namespace`,
		third:  `node port 31100 is also carried by a Service in another namespace`,
	} {
		if got := w.wantTrouble(svc, reasonConflict); got != want {
			t.Errorf("the condition of %s says %q, want %q", svc.Name, got, want)
		}
		if advice := w.wantEvent(svc, reasonConflict, want); !strings.HasPrefix(advice, "to give this Service another number: kubectl ") {
			t.Errorf("the event of %s advises %q, want a command", svc.Name, advice)
		}
	}
	// All of them can still be changed.
	w.change(second, func(svc *corev1.Service) { svc.Labels = map[string]string{"tier": "front"} })

	// The owner goes: the older of the others takes over at once.
	w.remove(first)
	w.eventually("the survivor has the number", func() error {
		if got := w.claim(n); got == nil || got.Spec.ServiceRef.Name != "second" || got.Spec.ServiceUID != second.UID {
			return fmt.Errorf("the claim is %+v", got)
		}
		return nil
	})
	// The command of the event mends it.
	message := w.wantTroubleAbout(second, reasonConflict, "a Service in another namespace")
	w.cached(second)
	w.runMendingCommand(w.wantEvent(second, reasonConflict, message))
	w.wantReason(n, v1alpha1.AllocationReasonInUse)
	w.eventually("the last one has the number", func() error {
		if got := w.claim(n); got == nil || got.Spec.ServiceRef.Name != "third" {
			return fmt.Errorf("the claim is %+v", got)
		}
		return nil
	})
	if got := number(w.fetch(second)); got == n {
		t.Errorf("the command left the number %d", got)
	}
	w.wantTrouble(second, "")
	w.wantTrouble(third, "")
	w.wantAllBound(w.fetch(second))
}

// wantTroubleAbout is wantTrouble for a message that has a text in it and lacks the names of others.
func (w *world) wantTroubleAbout(svc *corev1.Service, reason, text string) string {
	w.Helper()
	var message string
	w.eventually("the condition is about "+text, func() error {
		message = w.wantTrouble(svc, reason)
		if !containsAny(message, "carried by "+text) {
			return fmt.Errorf("it says %q", message)
		}
		return nil
	})
	return message
}

// cached returns when the API server's own cache has a Service's latest version. A patch that begins with a stale one
// allocates its number twice, so that Kubernetes refuses it (store.Update commits before the write, and comes again).
func (w *world) cached(svc *corev1.Service) {
	w.Helper()
	w.eventually("the API server's cache is up to date", func() error {
		latest, cached := w.fetch(svc).ResourceVersion, &corev1.Service{}
		fromCache := &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: "0"}}
		if err := w.Get(w.Context(), client.ObjectKeyFromObject(svc), cached, fromCache); err != nil {
			return err
		}
		if cached.ResourceVersion != latest {
			return fmt.Errorf("it has %s, the latest is %s", cached.ResourceVersion, latest)
		}
		return nil
	})
}

func (w *world) runMendingCommand(advice string) {
	w.Helper()
	command := regexp.MustCompile(`kubectl (.*)$`).FindStringSubmatch(advice)
	if command == nil {
		w.Fatalf("there is no command in %q", advice)
	}
	kubectl := w.Cluster.Kubectl(w.Context())
	shell := exec.CommandContext(w.Context(), "sh", "-c", kubectl.Path+" "+command[1])
	shell.Env = kubectl.Env
	if out, err := shell.CombinedOutput(); err != nil {
		w.Fatalf("%s: %v\n%s", command[0], err, out)
	}
}

func TestANumberKeptOnLeavingExternalNameIsRefused(t *testing.T) {
	w := alone(t)
	shop := w.namespace("shop")
	const n = 31100
	svc := makeService(shop+"/old").Type(corev1.ServiceTypeExternalName).NodePort(80, n).Obj()
	svc.Spec.ExternalName = "example.com"
	w.must(w.Create(t.Context(), svc))
	w.start(nil)
	w.pool("team-a", v1alpha1.PortRange{From: n, To: n + 9}, serving(shop))

	// What is stored already is not judged.
	w.change(svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"tier": "front"} })
	_, err := w.tryChange(svc, func(svc *corev1.Service) {
		svc.Spec.Type = corev1.ServiceTypeNodePort
		svc.Spec.ExternalName = ""
	})
	w.wantRefusal(err, "may not be kept when `type` was 'ExternalName'")
	changed := w.change(svc, func(svc *corev1.Service) {
		svc.Spec.Type = corev1.ServiceTypeNodePort
		svc.Spec.ExternalName = ""
		svc.Spec.Ports[0].NodePort = 0
	})
	w.wantWithin(changed, v1alpha1.PortRange{From: n, To: n + 9}, 1)
	w.wantAllBound(changed)
}

var sortedReferences = cmp.Transformer("sorted", func(in []v1alpha1.ServiceReference) map[v1alpha1.ServiceReference]bool {
	set := map[v1alpha1.ServiceReference]bool{}
	for _, r := range in {
		set[r] = true
	}
	return set
})
