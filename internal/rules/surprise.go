package rules

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// What works and will surprise: warnings about a Service that is let through, by what is around it. Each comes when that
// is new which it is about, not with every change of the Service.

// Surroundings are what is around a Service.
type Surroundings struct {
	// Pods are all that its selector selects; nil where they are not known.
	Pods []corev1.Pod
	// Accesses are the NodePortAccess of its namespace. Of them it matters which ports they select.
	Accesses []*access.Policy
}

// WantsPods says whether Surprises looks at the Service's Pods.
func WantsPods(q Question) bool {
	return len(q.Service.Spec.Selector) > 0 && (len(newTargetNames(q)) > 0 || newlyLocal(q))
}

// WantsAccesses says whether Surprises looks at the NodePortAccess of the Service's namespace.
func WantsAccesses(answer Answer) bool { return len(newNumbers(answer)) > 0 }

// newNumbers are the requests of node ports, with their numbers, that the Service did not have.
func newNumbers(answer Answer) []serviceports.Request {
	return slices.DeleteFunc(slices.Clone(answer.New), func(r serviceports.Request) bool {
		return r.NodePort == 0 || r.Role != serviceports.Traffic
	})
}

// Surprises are the warnings about a Service with its numbers, of which answer is Judge's.
func Surprises(c *Chart, q Question, answer Answer, s Surroundings) []string {
	warnings := missingTargets(q, s.Pods)
	if text := onOneNode(q, s.Pods); text != "" {
		warnings = append(warnings, text)
	}
	if text := open(c, q, answer, s.Accesses); text != "" {
		warnings = append(warnings, text)
	}
	return warnings
}

// newTargetNames are the indexes of the entries whose targetPort is a name that has not been there for the protocol, or
// that another selector is to find.
func newTargetNames(q Question) []int {
	var had []corev1.ServicePort
	if q.Old != nil && sameSelector(q) {
		had = q.Old.Spec.Ports
	}
	var entries []int
	for i, p := range q.Service.Spec.Ports {
		known := slices.ContainsFunc(had, func(o corev1.ServicePort) bool { return o.TargetPort == p.TargetPort && o.Protocol == p.Protocol })
		if p.TargetPort.Type == intstr.String && !known {
			entries = append(entries, i)
		}
	}
	return entries
}

func sameSelector(q Question) bool {
	return labels.Equals(q.Old.Spec.Selector, q.Service.Spec.Selector)
}

// missingTargets warns of names that no Pod has. Where there is no Pod yet there is nothing to say.
func missingTargets(q Question, pods []corev1.Pod) []string {
	pods = slices.DeleteFunc(slices.Clone(pods), ended)
	if len(pods) == 0 {
		return nil
	}
	var warnings []string
	for _, i := range newTargetNames(q) {
		p := q.Service.Spec.Ports[i]
		has := func(pod corev1.Pod) bool { return hasPort(pod, p.TargetPort.StrVal, p.Protocol) }
		if !slices.ContainsFunc(pods, has) {
			path := allPorts.Index(i).Child("targetPort")
			warnings = append(warnings, fmt.Sprintf("%s: no container of the %s that the selector selects has a %s port of the name %q: nothing answers",
				path, counted(len(pods), "Pod"), p.Protocol, p.TargetPort.StrVal))
		}
	}
	return warnings
}

func ended(pod corev1.Pod) bool {
	return pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// hasPort says whether a Pod has a port of a name, as the endpoints of Services are made
// (k8s.io/kubernetes/pkg/api/v1/pod, FindPort).
func hasPort(pod corev1.Pod, name string, protocol corev1.Protocol) bool {
	sidecars := slices.DeleteFunc(slices.Clone(pod.Spec.InitContainers), func(c corev1.Container) bool {
		return c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways
	})
	for _, c := range append(sidecars, pod.Spec.Containers...) {
		if slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == name && p.Protocol == protocol }) {
			return true
		}
	}
	return false
}

// newlyLocal says whether nodes without a Pod of the Service are about to drop what comes to its node ports.
func newlyLocal(q Question) bool {
	return isLocal(q.Service) && (q.Old == nil || !isLocal(q.Old) || !sameSelector(q))
}

func isLocal(svc *corev1.Service) bool {
	return svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal && len(serviceports.Requests(svc)) > 0
}

// onOneNode warns where all Pods that are ready are on one node; "" where they are not, or none is ready yet.
func onOneNode(q Question, pods []corev1.Pod) string {
	if !newlyLocal(q) {
		return ""
	}
	ready := slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool { return ended(pod) || !isReady(pod) })
	if len(ready) == 0 || slices.ContainsFunc(ready, func(pod corev1.Pod) bool { return pod.Spec.NodeName != ready[0].Spec.NodeName }) {
		return ""
	}
	return fmt.Sprintf("spec.externalTrafficPolicy: Local, and the Service's %s on one node: all other nodes drop what comes to its node ports",
		areReady(len(ready)))
}

func areReady(pods int) string {
	if pods == 1 {
		return "only ready Pod is"
	}
	return fmt.Sprintf("%d ready Pods are all", pods)
}

func isReady(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// open warns of new numbers that every source may reach, in a namespace that has others of which it is said who may:
// by NodePortAccess of its own, or by its pools. What is said of other tenants' is not known there. "" for none.
func open(c *Chart, q Question, answer Answer, accesses []*access.Policy) string {
	if len(accesses) == 0 && !slices.ContainsFunc(c.PoolsFor(q.NamespaceLabels), capped) {
		return ""
	}
	var numbers []string
	for _, r := range newNumbers(answer) {
		if pool := c.PoolOf(r.NodePort); (pool == nil || !capped(pool)) && !allSelected(q.Service, r, accesses) {
			numbers = append(numbers, fmt.Sprint(r.NodePort))
		}
	}
	switch len(numbers) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("node port %s is open to every source: no NodePortAccess of this namespace selects it", numbers[0])
	}
	return fmt.Sprintf("node ports %s are open to every source: no NodePortAccess of this namespace selects them", strings.Join(numbers, ", "))
}

// capped says whether a pool has a ceiling of who may reach its numbers.
func capped(p *Pool) bool { return p.Spec.Access != nil }

// allSelected says whether each entry that carries a number is selected by some NodePortAccess.
func allSelected(svc *corev1.Service, r serviceports.Request, accesses []*access.Policy) bool {
	for _, p := range r.Ports {
		if !slices.ContainsFunc(accesses, func(a *access.Policy) bool { return a.Selects(svc.Labels) && a.SelectsPort(p.Name) }) {
			return false
		}
	}
	return true
}
