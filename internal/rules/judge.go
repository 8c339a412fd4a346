// Copyright The Portolan Authors.
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// suggestions is how many free numbers a refusal lists.
const suggestions = 3

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
}

// Answer is what becomes of a Service.
type Answer struct {
	// Errors refuse it: each with its field, all at once.
	Errors field.ErrorList
	// Warnings are for its user, whether it is refused or not.
	Warnings []string
	// New are the requests that Old does not have: numbers to be claimed, and (NodePort 0) to be chosen.
	New []serviceports.Request
	// Pools are asked for the numbers to be chosen, in this order.
	Pools []*Pool
}

func (a *Answer) refuse(err *field.Error) { a.Errors = append(a.Errors, err) }
func (a *Answer) warn(format string, args ...any) {
	a.Warnings = append(a.Warnings, fmt.Sprintf(format, args...))
}

// breach refuses where a pool enforces and warns where all of them only warn.
func (a *Answer) breach(enforced bool, err *field.Error) {
	if enforced {
		a.refuse(err)
		return
	}
	a.warn("%s", err.Error())
}

// Judge decides about a Service. It is called before the API server's own allocator, with the numbers to be
// chosen still 0, and again on the final object.
func Judge(c *Chart, l Ledger, q Question) Answer {
	j := judge{chart: c, ledger: l, Question: q, pools: c.PoolsFor(q.NamespaceLabels)}
	j.answer.Errors = externalNameHoles(q.Service, q.Old)
	j.answer.New = newRequests(q.Service, q.Old)
	if len(j.answer.New) == 0 {
		return j.answer
	}
	for _, err := range serviceports.DuplicateNumbers(q.Old, q.Service) {
		j.answer.refuse(err)
	}
	if !j.choosePools() || !j.fitsService() {
		return j.answer
	}
	j.explicitNumbers()
	j.numbersToChoose()
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
	j.answer.refuse(field.Invalid(field.NewPath("metadata", "annotations").Key(v1alpha1.PoolAnnotation), name,
		fmt.Sprintf("not a pool of namespace %q: %s", j.Namespace, choice)))
	return false
}

// fitsService holds the Service against maxPortsPerService, the largest of the pools asked.
func (j *judge) fitsService() bool {
	largest := j.answer.Pools[0]
	for _, p := range j.answer.Pools {
		if p.Spec.MaxPortsPerService > largest.Spec.MaxPortsPerService {
			largest = p
		}
	}
	asked := len(serviceports.Requests(j.Service))
	if largest.Commons() || asked <= int(largest.Spec.MaxPortsPerService) {
		return true
	}
	j.answer.breach(j.confined(), field.Forbidden(field.NewPath("spec", "ports"),
		fmt.Sprintf("pool %q allows %d node ports in a Service, %d are asked for", largest.Name, largest.Spec.MaxPortsPerService, asked)))
	return !j.confined()
}

// confined says whether any pool that selects the namespace enforces.
func (j *judge) confined() bool {
	return slices.ContainsFunc(j.pools, func(p *Pool) bool { return !p.Commons() && p.enforces() })
}

func (j *judge) explicitNumbers() {
	userSet := serviceports.UserSet(j.Service)
	for _, r := range j.answer.New {
		if r.NodePort == 0 {
			continue
		}
		err, enforced := j.misplaced(r)
		if pool := j.chart.PoolOf(r.NodePort); err == nil && pool.drained() {
			err, enforced = field.Invalid(r.Path(), r.NodePort, drainedText(pool)), pool.enforces()
		}
		if err != nil {
			// A number that nobody set was picked by Kubernetes while we were away: it gets through.
			j.answer.breach(enforced && userSet(r), err)
		}
		if err == nil || !enforced {
			j.held(r)
		}
	}
}

// misplaced is the error of a number that the namespace may not use, and whether it is enforced.
func (j *judge) misplaced(r serviceports.Request) (err *field.Error, enforced bool) {
	pool := j.chart.PoolOf(r.NodePort)
	mine := pool != nil && slices.Contains(j.pools, pool)
	switch {
	case pool == nil:
		// The API server's own words; it would refuse next.
		return field.Invalid(r.Path(), r.NodePort, fmt.Sprintf(
			"provided port is not in the valid range. The range of valid ports is %s", Ranges{j.chart.clusterRange}.Join(","))), true
	case !mine:
		return field.Invalid(r.Path(), r.NodePort, j.notInRanges()), j.confined() || !pool.Commons() && pool.enforces()
	case j.named != nil && pool != j.named:
		return field.Invalid(r.Path(), r.NodePort, fmt.Sprintf(
			"in pool %q, but the annotation %s names pool %q", pool.Name, v1alpha1.PoolAnnotation, j.named.Name)), pool.enforces()
	}
	return nil, false
}

// Misplaced are the numbers of a live Service that its namespace would not be given today: it had them before
// Portolan or the pool came, or before a selector, a label or a range changed. It keeps them.
func Misplaced(c *Chart, q Question) field.ErrorList {
	j := judge{chart: c, ledger: nothingFree{}, Question: q, pools: c.PoolsFor(q.NamespaceLabels)}
	j.answer.Pools = j.pools
	var errs field.ErrorList
	for _, r := range serviceports.Requests(q.Service) {
		if r.NodePort == 0 {
			continue
		}
		if err, _ := j.misplaced(r); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// held refuses a number that another Service has, and warns where a hold of the namespace is taken over.
func (j *judge) held(r serviceports.Request) {
	others := slices.DeleteFunc(j.ledger.Holders(r.NodePort), func(h Holder) bool {
		return h.Service == types.NamespacedName{Namespace: j.Namespace, Name: j.Service.Name}
	})
	refused := slices.IndexFunc(others, func(h Holder) bool { return !h.Held() || h.Service.Namespace != j.Namespace })
	switch {
	case refused >= 0:
		j.answer.refuse(Taken(j.ledger, j.Question, j.answer.Pools, r, others[refused]))
	case len(others) > 0:
		j.answer.warn("%s: %d was held for Service %q of this namespace and is taken over", r.Path(), r.NodePort, others[0].Service.Name)
	}
}

// Taken is the refusal of an explicit number that another Service has. Of another namespace it tells nothing,
// not even whether the number is in use or held.
func Taken(l Ledger, q Question, pools []*Pool, r serviceports.Request, holder Holder) *field.Error {
	if holder.Service.Namespace == q.Namespace {
		return field.Invalid(r.Path(), r.NodePort,
			fmt.Sprintf("already allocated to Service %q in this namespace", holder.Service.Name))
	}
	return field.Invalid(r.Path(), r.NodePort, "already allocated in another namespace"+freeNow(l, pools))
}

// numbersToChoose leaves in Pools those that will be asked, and refuses where there is none.
func (j *judge) numbersToChoose() {
	if !slices.ContainsFunc(j.answer.New, func(r serviceports.Request) bool { return r.NodePort == 0 }) {
		return
	}
	asked := j.answer.Pools
	j.answer.Pools = slices.DeleteFunc(slices.Clone(asked), func(p *Pool) bool {
		return p.drained() || p.Spec.Allocation == v1alpha1.AllocationExplicit && p != j.named
	})
	if len(j.answer.Pools) > 0 {
		return
	}
	text := drainedText(asked[0])
	if open := slices.IndexFunc(asked, func(p *Pool) bool { return !p.drained() }); open >= 0 {
		text = fmt.Sprintf("pool %q gives no number by itself: set a nodePort from %s, or the annotation %s: %s%s",
			asked[open].Name, asked[open].Numbers, v1alpha1.PoolAnnotation, asked[open].Name, freeNow(j.ledger, asked))
	}
	j.answer.breach(j.confined(), field.Forbidden(field.NewPath("spec", "ports"), text))
}

func drainedText(p *Pool) string {
	if p.Overlaps != "" {
		return fmt.Sprintf("pool %q hands out nothing: its ranges overlap another pool's", p.Name)
	}
	return fmt.Sprintf("pool %q hands out nothing new (allocation: %s)", p.Name, p.Spec.Allocation)
}

// notInRanges tells which numbers the namespace may use.
func (j *judge) notInRanges() string {
	mine := numbersOf(j.pools)
	if len(mine) == 0 {
		return noNumbers(j.Namespace)
	}
	return fmt.Sprintf("not in the node port ranges of namespace %q: %s%s", j.Namespace, mine, freeNow(j.ledger, j.answer.Pools))
}

// freeNow is "; free now: 30104, 30107, 30112", or nothing where nothing is.
func freeNow(l Ledger, pools []*Pool) string {
	var free []string
	for _, p := range pools {
		if p.drained() {
			continue
		}
		for _, n := range l.FreeNumbers(p, suggestions-len(free)) {
			free = append(free, fmt.Sprint(n))
		}
	}
	if len(free) == 0 {
		return ""
	}
	return "; free now: " + strings.Join(free, ", ")
}

// Exhausted is the refusal of a Service for which the pools had too few free numbers; enforced is false where
// it should rather be let through, for Kubernetes to pick.
func Exhausted(l Ledger, q Question, pools []*Pool) (err *field.Error, enforced bool) {
	var full []string
	for _, p := range pools {
		u := l.Usage(p)
		text := fmt.Sprintf("%d of %d in use or held", u.Total-u.Free, u.Total)
		if !p.Commons() {
			text = fmt.Sprintf("pool %q: %s", p.Name, text)
		}
		if !u.NextHoldEnd.IsZero() {
			text += ", the next hold ends in " + duration.HumanDuration(max(0, u.NextHoldEnd.Sub(q.Now)))
		}
		full = append(full, text)
		enforced = enforced || p.enforces()
	}
	few := "no node port is"
	if slices.ContainsFunc(pools, func(p *Pool) bool { return l.Usage(p).Free > 0 }) {
		few = "too few node ports are"
	}
	text := fmt.Sprintf("%s free in the ranges of namespace %q (%s)", few, q.Namespace, strings.Join(full, "; "))
	if len(numbersOf(pools)) == 0 {
		text = noNumbers(q.Namespace)
	}
	return field.Forbidden(field.NewPath("spec", "ports"), text), enforced
}

func noNumbers(namespace string) string {
	return fmt.Sprintf("namespace %q may not use node ports: no pool has numbers for it", namespace)
}

func numbersOf(pools []*Pool) Ranges {
	var all []v1alpha1.PortRange
	for _, p := range pools {
		all = append(all, p.Numbers...)
	}
	return NewRanges(all)
}

func poolNames(pools []*Pool) string {
	names := make([]string, len(pools))
	for i, p := range pools {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// nothingFree is a ledger that suggests nothing: a report does not change with what is free.
type nothingFree struct{ Ledger }

func (nothingFree) FreeNumbers(*Pool, int) []int32 { return nil }
