package integration

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var commands = regexp.MustCompile(`kubectl [^;]*`)

// runCommands does what a text says, as its reader would. It fails the test unless there are so many commands.
func (w *world) runCommands(text string, want int) {
	w.Helper()
	found := commands.FindAllString(text, -1)
	if len(found) != want {
		w.Fatalf("there are %d commands, want %d: %q", len(found), want, text)
	}
	for _, command := range found {
		w.eventually("the API server's policy knows the pools, too", func() error {
			kubectl := w.Cluster.Kubectl(w.Context())
			shell := exec.CommandContext(w.Context(), "sh", "-c", strings.Replace(command, "kubectl", kubectl.Path, 1))
			shell.Env = kubectl.Env
			out, err := shell.CombinedOutput()
			if err != nil && !strings.Contains(string(out), "ValidatingAdmissionPolicy") {
				w.Fatalf("%s: %v\n%s", command, err, out)
			}
			return err
		})
	}
}

// poolSays is the message of a pool's condition, once it has a part.
func (w *world) poolSays(pool *v1alpha1.NodePortPool, condition, part string) string {
	w.Helper()
	var message string
	w.eventually("the pool tells how to mend it", func() error {
		w.must(w.Get(w.Context(), client.ObjectKeyFromObject(pool), pool))
		c := meta.FindStatusCondition(pool.Status.Conditions, condition)
		if c == nil || !strings.Contains(c.Message, part) {
			return fmt.Errorf("the condition is %+v", c)
		}
		message = c.Message
		return nil
	})
	return message
}

func TestTheCommandsThatAPoolNamesBringLiveServicesInLine(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	numbers, theirs, outside := w.allot(6), w.allot(4), w.allot(2)
	w.pool("nobodys", outside, serving("nobody"), onlyWarning)
	w.pool("theirs", theirs, serving(other), onlyWarning)
	pool := w.pool("team-a", numbers, serving(shop), onlyWarning)
	far := w.create(makeService(shop+"/far").NodePort(80, numbers.From, Named("a")).NodePort(81, outside.From, Named("b")))
	foreign := w.change(w.create(makeService(other+"/foreign").NodePort(80, theirs.From)), func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = numbers.To })
	for _, svc := range []*corev1.Service{far, foreign} {
		w.wantAllBound(svc)
		w.cached(svc)
	}

	w.runCommands(w.poolSays(pool, v1alpha1.PoolConforming, fmt.Sprintf(": 2: %s/foreign (%d), %s/far (%d). To give them others: kubectl ", other, numbers.To, shop, outside.From)), 2)
	w.mustKubectl("", "wait", "--for=condition=Conforming", "npp/"+pool.Name, "--timeout=90s")
	w.wantWithin(w.fetch(far), numbers, 2)
	w.wantWithin(w.fetch(foreign), theirs, 1)
}

func TestTheCommandThatAnEventNamesBringsALiveServiceInLine(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers, outside := w.allot(4), w.allot(1)
	w.pool("nobodys", outside, serving("nobody"), onlyWarning)
	w.pool("team-a", numbers, serving(shop), onlyWarning)
	svc := w.create(makeService(shop+"/outside").NodePort(80, outside.From))
	w.wantAllBound(svc)
	advice := w.wantEvent(svc, reasonMisplaced, w.wantTrouble(svc, reasonMisplaced))
	w.cached(svc)
	w.runCommands(advice, 1)
	w.wantTrouble(svc, "")
	w.wantWithin(w.fetch(svc), numbers, 1)
}

func TestTheCommandsThatADrainingPoolNamesDrainIt(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	old, numbers := w.allot(5), w.allot(5)
	pool := w.pool("old", old, serving(shop))
	w.pool("new", numbers, serving(shop))
	live := w.create(makeService(shop+"/live").NodePort(80, old.From))
	promised := w.create(makeService(shop+"/promised").NodePort(80, old.From+1))
	reservations := []*v1alpha1.NodePortReservation{
		w.reserve(shop+"/promised", "promised", entry("", old.From+1)),
		w.reserve(shop+"/yet-to-come", "yet-to-come", fromPool(pool.Name), entry("http", 0), entry("admin", old.To)),
	}
	w.changePool(pool, withAllocation(v1alpha1.AllocationNone))
	for _, svc := range []*corev1.Service{live, promised} {
		w.wantAllBound(svc)
		w.cached(svc)
	}

	text := w.poolSays(pool, v1alpha1.PoolReady, `numbers still in use or reserved: 4: `+fmt.Sprintf(`%s/live (%d), %s/promised (%d, reserved by "promised"), `, shop, old.From, shop, old.From+1))
	w.runCommands(text, 5)
	w.mustKubectl("", "wait", "npp/"+pool.Name, `--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Drained`, "--timeout=90s")
	for _, svc := range []*corev1.Service{live, promised} {
		w.wantWithin(w.fetch(svc), numbers, 1)
	}
	for _, r := range reservations {
		w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	}
}

func TestTheCommandsThatAnAllocationNamesEndItsConflict(t *testing.T) {
	w := alone(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	const n = 31100
	first := w.create(makeService(shop+"/first").NodePort(80, n))
	w.ageOf(first)
	second, third := w.throughTheHole(shop+"/second", n), w.throughTheHole(other+"/third", n)
	if number(second) != n || number(third) != n {
		t.Skipf("the hole is closed: the numbers are %d and %d", number(second), number(third))
	}
	w.pool("team-a", v1alpha1.PortRange{From: n, To: n + 9}, serving(shop))
	w.start(nil)
	claim := w.wantReason(n, v1alpha1.AllocationReasonConflict)
	for svc, others := range map[*corev1.Service]string{
		first: `Service "second" and a Service in another namespace`, second: `Service "first" and a Service in another namespace`, third: "a Service in another namespace",
	} {
		w.wantTroubleAbout(svc, reasonConflict, others) // it is not written again
		w.cached(svc)
	}
	w.runCommands(meta.FindStatusCondition(claim.Status.Conditions, v1alpha1.AllocationBound).Message, 2)
	w.wantReason(n, v1alpha1.AllocationReasonInUse)
	if got := number(w.fetch(first)); got != n {
		t.Errorf("the holder has %d", got)
	}
	w.wantWithin(w.fetch(second), v1alpha1.PortRange{From: n + 1, To: n + 9}, 1)
}
