package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// MaxClaims is how many numbers are claimed in one request: those of a larger Service, which no pool allows, are
// Kubernetes' own picks, and are adopted afterwards. Where no pool selects its namespace but others are enforced a Service
// may have no more, for Kubernetes picks out of those as well.
const MaxClaims = 100

// Question is a Service that is about to be created or changed.
type Question struct {
	// Service is as it would be stored, what it carries over from Old filled in.
	Service *corev1.Service
	// Old is the live Service; nil on create.
	Old *corev1.Service
	// Namespace is the name of its namespace, NamespaceLabels are that namespace's labels.
	Namespace       string
	NamespaceLabels map[string]string
	// Now is the present time.
	Now time.Time
	// DryRun: the API server picks no number then. What nobody set on the final object is made up.
	DryRun bool
	// Reservation is the NodePortReservation that asks for these numbers, for its Service; empty: the Service does.
	Reservation string
}

// Answer is what becomes of a Service.
type Answer struct {
	// Errors refuse it: each with its field, all at once.
	Errors field.ErrorList
	// Warnings are for its user, whether it is refused or not.
	Warnings []string
	// Breaches are the rules that it breaks: those of Errors, and those that are only warned about.
	Breaches []Breach
	// New are the requests that Old does not have: numbers to be claimed, and (NodePort 0) to be chosen.
	New []serviceports.Request
	// Pools are asked for the numbers to be chosen, in this order.
	Pools []*Pool
	// Enforced: where they have too few the Service is refused, rather than let through for Kubernetes to pick.
	Enforced bool

	// asAWhole: it is refused for what it is, whatever its numbers.
	asAWhole bool
}

// Claimable are the requests of New that no error is about.
func (a *Answer) Claimable() []serviceports.Request {
	if a.asAWhole {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a.New), func(r serviceports.Request) bool {
		return slices.ContainsFunc(a.Errors, func(err *field.Error) bool { return concerns(err, r) })
	})
}

// concerns says whether an error is about a request. One about spec.ports is about all numbers to be chosen.
func concerns(err *field.Error, r serviceports.Request) bool {
	if err.Field == allPorts.String() {
		return r.NodePort == 0
	}
	return slices.ContainsFunc(r.Paths(), func(p *field.Path) bool { return p.String() == err.Field })
}

var allPorts = field.NewPath("spec", "ports")

func (a *Answer) warn(format string, args ...any) {
	a.Warnings = append(a.Warnings, fmt.Sprintf(format, args...))
}

// Judge decides about a Service. It is called before the API server's own allocator, with the numbers to be
// chosen still 0, and again on the final object.
func Judge(c *Chart, l Ledger, q Question) Answer {
	j := judge{chart: c, ledger: l, Question: q, pools: c.PoolsFor(q.NamespaceLabels)}
	j.answer.Enforced = slices.ContainsFunc(j.pools, (*Pool).Enforces)
	for _, err := range externalNameHoles(q.Service, q.Old) {
		j.answer.refuse(ReasonExternalName, err)
	}
	j.answer.New = newRequests(q.Service, q.Old)
	if len(j.answer.New) == 0 {
		return j.answer
	}
	for _, err := range serviceports.DuplicateNumbers(q.Old, q.Service) {
		j.answer.refuse(ReasonDuplicate, err)
	}
	if !j.choosePools() || !j.fitsService() {
		j.answer.asAWhole = true
		return j.answer
	}
	j.explicitNumbers()
	j.quotasOfWarningPools()
	j.numbersToChoose()
	j.clashing()
	return j.answer
}

// newRequests are the requests of svc whose number old does not carry.
func newRequests(svc, old *corev1.Service) []serviceports.Request {
	requests := serviceports.Requests(svc)
	if old == nil {
		return requests
	}
	had := serviceports.Numbers(serviceports.Stored(old))
	return slices.DeleteFunc(requests, func(r serviceports.Request) bool {
		return r.NodePort != 0 && slices.Contains(had, r.NodePort)
	})
}

// judge is one question on its way to its answer.
type judge struct {
	Question
	chart  *Chart
	ledger Ledger
	answer Answer
	// pools select the namespace; named is the one of them that the annotation names, if it does.
	pools []*Pool
	named *Pool
}

// choosePools settles which pools are asked: the one that the annotation names, or all that select the
// namespace. It is false where the annotation names none of them.
func (j *judge) choosePools() bool {
	j.answer.Pools = j.pools
	name, ok := j.Service.Annotations[v1alpha1.PoolAnnotation]
	if !ok {
		return true
	}
	for _, p := range j.pools {
		if p.Name == name && !p.Commons() {
			j.named, j.answer.Pools = p, []*Pool{p}
			return true
		}
	}
	// An unknown pool and one that serves others read the same.
	choice := "it has none"
	if !j.pools[0].Commons() {
		choice = "it has " + poolNames(j.pools)
	}
	j.answer.refuse(ReasonUnknownPool, field.Invalid(j.poolField(), name,
		fmt.Sprintf("not a pool of namespace %q: %s", j.Namespace, choice)), j.pools...)
	return false
}

// poolField is the field that names a pool.
func (j *judge) poolField() *field.Path {
	if j.Reservation != "" {
		return field.NewPath("spec", "poolName")
	}
	return field.NewPath("metadata", "annotations").Key(v1alpha1.PoolAnnotation)
}

// fitsService says whether there is more to judge: more ports than a Service may have are not.
func (j *judge) fitsService() bool {
	b := j.tooManyPorts()
	if b == nil {
		return true
	}
	j.answer.breach(*b)
	return !b.Enforced
}

// tooManyPorts holds the Service against maxPortsPerService, the largest of the pools asked; nil: it fits.
func (j *judge) tooManyPorts() *Breach {
	largest := j.answer.Pools[0]
	for _, p := range j.answer.Pools {
		if p.Spec.MaxPortsPerService > largest.Spec.MaxPortsPerService {
			largest = p
		}
	}
	asked := len(serviceports.Requests(j.Service))
	limit, whose := int(largest.Spec.MaxPortsPerService), fmt.Sprintf("pool %q allows", largest.Name)
	if largest.Commons() {
		limit, whose = MaxClaims, fmt.Sprintf("namespace %q may have", j.Namespace)
	}
	if asked <= limit || largest.Commons() && !j.chart.Guarded() {
		return nil
	}
	return new(NewBreach(ReasonTooManyPorts, largest.Commons() || j.confined(), field.Forbidden(allPorts,
		fmt.Sprintf("%s %d node ports in a Service, %d are asked for", whose, limit, asked)), largest))
}

// confined says whether any pool that selects the namespace enforces.
func (j *judge) confined() bool {
	return slices.ContainsFunc(j.pools, func(p *Pool) bool { return !p.Commons() && p.Enforces() })
}

// explicitNumbers judges the numbers that are there. One that nobody set was picked by Kubernetes while we did
// not answer: it gets through, and is reported.
func (j *judge) explicitNumbers() {
	userSet := serviceports.UserSet(j.Service)
	for _, r := range j.answer.New {
		if r.NodePort == 0 || j.DryRun && !userSet(r) || j.promised(r) {
			continue
		}
		b := j.misplaced(r)
		if pool := j.chart.PoolOf(r.NodePort); b == nil && pool.Drained() {
			b = new(NewBreach(ReasonDraining, pool.Enforces(), field.Invalid(r.Path(), r.NodePort, drainedText(pool)+j.instead()), pool))
		}
		if b != nil {
			b.Enforced = b.Enforced && userSet(r)
			j.answer.breach(*b)
		}
		if b == nil || !b.Enforced {
			j.held(r, userSet(r))
		}
	}
}

// numbersToChoose leaves in Pools those that will be asked, and refuses where there is none.
func (j *judge) numbersToChoose() {
	if !slices.ContainsFunc(j.answer.New, func(r serviceports.Request) bool { return r.NodePort == 0 }) {
		return
	}
	asked := j.answer.Pools
	j.answer.Pools = slices.DeleteFunc(slices.Clone(asked), func(p *Pool) bool {
		return p.Drained() || p.Spec.Allocation == v1alpha1.AllocationExplicit && p != j.named && j.Reservation == ""
	})
	if len(j.answer.Pools) > 0 {
		return
	}
	reason, text := ReasonDraining, drainedText(asked[0])+j.instead()
	if open := slices.IndexFunc(asked, func(p *Pool) bool { return !p.Drained() }); open >= 0 {
		reason, text = ReasonNotAutomatic, fmt.Sprintf("pool %q gives no number by itself: set a nodePort from %s, or the annotation %s: %s%s",
			asked[open].Name, asked[open].Numbers, v1alpha1.PoolAnnotation, asked[open].Name, freeNow(j.ledger, j.Namespace, asked))
	}
	j.answer.breach(NewBreach(reason, j.confined(), field.Forbidden(allPorts, text), asked...))
}

// HandsOutNothing is in each refusal of a number because its pool is drained, and in no other.
const HandsOutNothing = "hands out nothing"

// drainedText says of a pool that is drained why that is.
func drainedText(p *Pool) string {
	if p.Overlaps != "" {
		return fmt.Sprintf("pool %q "+HandsOutNothing+": its ranges overlap another pool's", p.Name)
	}
	return fmt.Sprintf("pool %q "+HandsOutNothing+" new (allocation: %s)", p.Name, p.Spec.Allocation)
}

// instead is what to do where a pool is drained: other numbers of the pools that are asked, else another pool of the
// namespace, else an operator's help.
func (j *judge) instead() string {
	if slices.ContainsFunc(j.answer.Pools, func(p *Pool) bool { return !p.Drained() }) {
		return freeNow(j.ledger, j.Namespace, j.answer.Pools)
	}
	if others := slices.DeleteFunc(slices.Clone(j.pools), (*Pool).Drained); len(others) > 0 {
		return "; use another pool: " + poolNames(others)
	}
	return "; ask an operator for another pool"
}

func poolNames(pools []*Pool) string {
	names := make([]string, len(pools))
	for i, p := range pools {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}
