package explain

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// request tells of a number that is not chosen: how it is asked for, and what is in its way.
func (t *teller) request(manifest *corev1.Service, f decision.Foretold, r serviceports.Request) {
	at := r.Path().String()
	switch number := r.NodePort; {
	case has(f.Question.Old, number):
		t.step(fmt.Sprintf("%s: %d stays", at, number), "the live Service has it, and what it has is not judged again")
	case numberIn(manifest, r) == 0:
		t.step(fmt.Sprintf("%s: left out, and %d is filled in", at, number), t.keptBy(f.Question, number))
	default:
		t.step(fmt.Sprintf("%s: %d is asked for", at, number), t.obstacles(f, r)...)
	}
}

func chosen(f decision.Foretold, number int32) bool {
	return slices.ContainsFunc(f.Chosen, func(r serviceports.Request) bool { return r.NodePort == number })
}

// numberIn is the number that a request has in the manifest.
func numberIn(svc *corev1.Service, r serviceports.Request) int32 {
	if r.Role == serviceports.HealthCheck {
		return svc.Spec.HealthCheckNodePort
	}
	for _, p := range r.Ports {
		if n := svc.Spec.Ports[p.Index].NodePort; n != 0 {
			return n
		}
	}
	return 0
}

// keptBy tells of a number that is kept for the Service.
func (t *teller) keptBy(q rules.Question, number int32) string {
	for _, h := range t.Ledger.Holders(number) {
		if h.Service == decision.ServiceOf(q) && h.Reservation != "" {
			return fmt.Sprintf("NodePortReservation %q keeps it for this Service", h.Reservation)
		}
	}
	return "another entry of this Service on the same port has it"
}

// obstacles tell where a number is, and who or what is in its way. Of one that is not for the namespace it is not told
// whether anybody has it.
func (t *teller) obstacles(f decision.Foretold, r serviceports.Request) []string {
	pool := t.Ledger.Chart().PoolOf(r.NodePort)
	lines := []string{t.place(f, pool)}
	mine := pool != nil && slices.Contains(t.Ledger.Chart().PoolsFor(f.Question.NamespaceLabels), pool)
	lines = append(lines, t.holders(f.Question, r.NodePort, mine)...)
	if !mine {
		return lines
	}
	if with := rules.ClashesWith(t.Ledger.Clashes(r.NodePort), r); with != "" {
		lines = append(lines, "it clashes with "+with)
	}
	return append(lines, t.allowance(pool, f.Question.Namespace)...)
}

// place tells in which pool a number is, as far as the namespace may know.
func (t *teller) place(f decision.Foretold, pool *rules.Pool) string {
	mine := t.Ledger.Chart().PoolsFor(f.Question.NamespaceLabels)
	switch {
	case pool == nil:
		return fmt.Sprintf("it is outside the cluster's node port range %s", rules.Ranges{t.ClusterRange()})
	case slices.Contains(mine, pool) && pool.Commons():
		return "it is in no pool, where this namespace's numbers are"
	case slices.Contains(mine, pool):
		return "it is in " + nameOf(pool)
	case pool.Commons():
		return "it is in no pool, and this namespace has pools"
	}
	return "it is in a pool that does not serve this namespace"
}

// holders tell who has a number: all, or only those of the namespace. Of another namespace it is not told whether it uses or
// holds it.
func (t *teller) holders(q rules.Question, number int32, all bool) []string {
	var lines []string
	holders := t.Ledger.Holders(number)
	for _, h := range holders {
		switch {
		case h.Service == decision.ServiceOf(q):
			lines = append(lines, "it is this Service's own"+state(h, t.Now))
		case h.Service.Namespace == q.Namespace:
			lines = append(lines, fmt.Sprintf("Service %q of this namespace has it%s", h.Service.Name, state(h, t.Now)))
		}
	}
	foreign := slices.ContainsFunc(holders, func(h rules.Holder) bool { return h.Service.Namespace != q.Namespace })
	switch {
	case all && foreign:
		lines = append(lines, "another namespace has it")
	case all && len(lines) == 0:
		lines = append(lines, "nobody has it")
	}
	return lines
}

func state(h rules.Holder, now time.Time) string {
	switch {
	case h.Reservation != "":
		return fmt.Sprintf(", by NodePortReservation %q", h.Reservation)
	case h.Held():
		return fmt.Sprintf(", held for another %s", duration.HumanDuration(max(0, h.HeldUntil.Sub(now))))
	}
	return ""
}

// choice tells how the numbers that are left out are chosen.
func (t *teller) choice(f decision.Foretold, open []serviceports.Request) {
	if len(open) == 0 {
		return
	}
	title := open[0].Path().String() + ": left out, so a number is to be chosen"
	if len(open) > 1 {
		title = fmt.Sprintf("%s and %d more: left out, so numbers are to be chosen", open[0].Path(), len(open)-1)
	}
	if len(f.Answer.Errors) > 0 && len(f.Answer.Pools) > 0 {
		t.step(title, "no pool is asked, since the Service is refused")
		return
	}
	var lines []string
	for _, p := range t.Ledger.Chart().PoolsFor(f.Question.NamespaceLabels) {
		lines = append(lines, t.candidate(f, p)...)
	}
	t.step(title, append(lines, t.outcome(f, open)...)...)
}

// outcome tells what was chosen.
func (t *teller) outcome(f decision.Foretold, open []serviceports.Request) []string {
	switch {
	case f.NativePick:
		return []string{"none is chosen: Kubernetes picks, whatever pool the number is of"}
	case len(f.Chosen) == 0:
		return []string{"none is chosen"}
	}
	var lines []string
	for _, r := range open {
		lines = append(lines, fmt.Sprintf("%s: %s", r.Path(), t.chosenFrom(f, r)))
	}
	return lines
}

// candidate tells what a pool has for the Service.
func (t *teller) candidate(f decision.Foretold, p *rules.Pool) []string {
	if !slices.Contains(f.Answer.Pools, p) {
		return []string{nameOf(p) + ": not asked" + notAsked(f, p)}
	}
	lines := []string{fmt.Sprintf("%s: %s", nameOf(p), strategy(p))}
	for _, line := range append(t.fullness(p, f.Question.Namespace), t.yielding(f, p)...) {
		lines = append(lines, "  "+line)
	}
	return lines
}

// yielding tells where holds of the namespace give way to its Service.
func (t *teller) yielding(f decision.Foretold, p *rules.Pool) []string {
	limit, unbound := p.Allowance()
	asked := 0
	for _, r := range f.Chosen {
		if p.Numbers.Contains(r.NodePort) && len(t.Ledger.Holders(r.NodePort)) == 0 {
			asked++
		}
	}
	if unbound || limit < 0 || asked == 0 || t.Ledger.Used(f.Question.Namespace, p)+asked <= limit {
		return nil
	}
	return []string{"that makes too many: it gives up numbers that are held for deleted Services of it, the oldest first"}
}

// notAsked is why a pool of the namespace is not asked.
func notAsked(f decision.Foretold, p *rules.Pool) string {
	_, named := f.Question.Service.Annotations[v1alpha1.PoolAnnotation]
	switch {
	case p.Overlaps != "":
		return ": its ranges overlap another pool's"
	case p.Drained():
		return ": it is draining (allocation: None)"
	case named:
		return ": the annotation names another"
	case p.Spec.Allocation == v1alpha1.AllocationExplicit:
		return ": it gives no number by itself (allocation: Explicit)"
	}
	return ""
}

func strategy(p *rules.Pool) string {
	if p.Spec.Strategy == v1alpha1.StrategyStable {
		return "the free number that comes first in this Service's own order (strategy: Stable)"
	}
	return "the first free number from a random start (strategy: Random)"
}

// chosenFrom tells which number was chosen, and why that one.
func (t *teller) chosenFrom(f decision.Foretold, r serviceports.Request) string {
	pool, text := t.Ledger.Chart().PoolOf(r.NodePort), fmt.Sprintf("%d is chosen: ", r.NodePort)
	holders := t.Ledger.Holders(r.NodePort)
	switch {
	case len(holders) > 0 && holders[0].Service == decision.ServiceOf(f.Question):
		return text + "this Service had it before" + state(holders[0], t.Now)
	case len(holders) > 0:
		return text + "all others are taken, and a hold is given up for it"
	case pool.Spec.Strategy == v1alpha1.StrategyStable:
		return text + "it is free, and will be chosen again while it is"
	}
	return text + "it is free; another time it may be another one"
}
