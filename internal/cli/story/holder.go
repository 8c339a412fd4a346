package story

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// conflict names the Services that have the number without its being theirs.
func (t teller) conflict() *Fact {
	if t.State != picture.Conflict {
		return nil
	}
	owner, _ := t.Owner()
	says := []string{}
	for _, svc := range t.Carriers {
		if svc.Namespace != owner.Namespace || svc.Name != owner.Name {
			says = append(says, fmt.Sprintf("Service %s/%s carries it too: which of them gets the traffic is chance.", svc.Namespace, svc.Name))
		}
	}
	return &Fact{About: "Conflict", Says: says, Trouble: true}
}

// clashes names what else uses the number.
func (t teller) clashes() *Fact {
	all := t.NodeClashes(t.Number.Number)
	if len(all) == 0 {
		return nil
	}
	var says []string
	for _, clash := range all {
		says = append(says, fmt.Sprintf("on %s, %s", clash.Node, user(clash.Clash)))
	}
	if t.Troubled() {
		says = append(says, "there one of the two gets no traffic")
	}
	return &Fact{About: "Clashes", Says: says, Trouble: t.Troubled()}
}

func user(clash v1alpha1.Clash) string {
	name := clash.Process
	switch clash.Kind {
	case v1alpha1.ClashHostListener:
		if name == "" {
			name = "a process"
		}
		return fmt.Sprintf("%s listens there (%s)", name, clash.Protocol)
	case v1alpha1.ClashHostPort:
		if name == "" {
			name = "a pod"
		}
		return fmt.Sprintf("%s has it as hostPort (%s)", name, clash.Protocol)
	}
	return fmt.Sprintf("the kernel may give it to connections of the node (%s): see --reserve-ephemeral of node-proxy", clash.Protocol)
}

// ports are the entries of the Service that carry the number.
func (t teller) ports() *Fact {
	svc := t.Holder()
	if svc == nil {
		return nil
	}
	if t.healthCheck() {
		return &Fact{About: "Port", Says: []string{"healthCheckNodePort: load balancers ask there whether the node has endpoints"}}
	}
	var says []string
	for _, port := range t.entries() {
		text := fmt.Sprintf("%s %d to targetPort %s", port.Protocol, port.Port, port.TargetPort.String())
		if port.Name != "" {
			text = port.Name + ", " + text
		}
		says = append(says, text)
	}
	return &Fact{About: "Port", Says: says}
}

func (t teller) healthCheck() bool {
	svc := t.Holder()
	return svc != nil && svc.Spec.HealthCheckNodePort == t.Number.Number
}

// entries are those of the Service's spec.ports that carry the number.
func (t teller) entries() []corev1.ServicePort {
	return slices.DeleteFunc(slices.Clone(t.Holder().Spec.Ports), func(p corev1.ServicePort) bool { return p.NodePort != t.Number.Number })
}

// pool is which pool the number is of.
func (t teller) pool() *Fact {
	taken := t.PoolName()
	switch {
	case t.Allocation != nil && t.Pool != nil && t.Pool.Name != taken:
		text := fmt.Sprintf("taken from %s; now it is in %s", quoted(taken), quoted(t.Pool.Name))
		return &Fact{About: "Pool", Says: []string{text}}
	case t.Pool != nil && t.Pool.Commons() && t.State != picture.Outside:
		return &Fact{About: "Pool", Says: []string{"none: for namespaces that no pool selects"}}
	case t.Pool != nil:
		return &Fact{About: "Pool", Says: []string{fmt.Sprintf("%s (%s)", t.Pool.Name, t.Pool.Numbers)}}
	case t.Number.Usage != nil: // of who may not read pools
		return &Fact{About: "Pool", Says: []string{fmt.Sprintf("%s (%s)", t.Number.Usage.Name, strings.ReplaceAll(t.Number.Usage.Status.Ranges, ",", ", "))}}
	}
	return nil
}

func quoted(pool string) string {
	if pool == "" {
		return "no pool"
	}
	return "pool " + pool
}

// since is when the Service got the number.
func (t teller) since() *Fact {
	switch {
	case t.Allocation != nil && t.Allocation.Status.BoundTime != nil:
		at := t.Allocation.Status.BoundTime.Time
		return &Fact{About: "Since", Says: []string{fmt.Sprintf("%s (%s)", term.Age(at, t.Now), term.Stamp(at))}}
	case t.Allocation == nil && t.Holder() != nil:
		at := t.Holder().CreationTimestamp.Time
		return &Fact{About: "Since", Says: []string{fmt.Sprintf("%s at most: the Service was made then (%s)", term.Age(at, t.Now), term.Stamp(at))}}
	}
	return nil
}

// cause is how the number came to its Service.
func (t teller) cause() *Fact {
	if t.Allocation == nil {
		return nil
	}
	says := map[v1alpha1.Origin]string{
		v1alpha1.OriginAutomatic: "picked for the Service",
		v1alpha1.OriginExplicit:  "the Service asked for it",
		v1alpha1.OriginAdopted:   "the Service had it when Portolan first saw it",
	}[t.Allocation.Spec.Origin]
	if by := t.namedBy(); by != "" && t.Allocation.Spec.Origin == v1alpha1.OriginExplicit {
		says = by
	}
	return &Fact{About: "Came by", Says: []string{says}}
}

// namedBy says of a number that a reservation keeps whether that asked for it; "": it did not, or there is none.
func (t teller) namedBy() string {
	if t.Reservation == nil {
		if name := t.Allocation.Spec.ReservationName; name != "" {
			return fmt.Sprintf("the Service asked for it, or NodePortReservation %s/%s did", t.Allocation.Spec.ServiceRef.Namespace, name)
		}
		return ""
	}
	spec := &t.Reservation.Spec
	names := func(p v1alpha1.ReservedPort) bool { return p.NodePort == t.Number.Number }
	if !slices.ContainsFunc(spec.Ports, names) && spec.HealthCheckNodePort != t.Number.Number {
		return ""
	}
	return fmt.Sprintf("NodePortReservation %s/%s names it", t.Reservation.Namespace, t.Reservation.Name)
}

// kept is what keeps the number for its Service.
func (t teller) kept() *Fact {
	if fact := t.keptBehind(); fact != nil {
		return fact
	}
	var says []string
	if t.Allocation != nil && t.State == picture.Held {
		until := t.Allocation.Spec.HoldUntil.Time
		if t.Lapsed {
			return &Fact{About: "Kept", Says: []string{fmt.Sprintf("ended %s ago (%s): the leader, which gives it up then, is late", term.Age(until, t.Now), term.Stamp(until))}}
		}
		says = append(says, fmt.Sprintf("for another %s (until %s): if the Service is made again by then, it gets it back", term.Until(until, t.Now), term.Stamp(until)))
	}
	name := ""
	if t.Reservation != nil {
		name = t.Reservation.Namespace + "/" + t.Reservation.Name
	} else if t.Allocation != nil && t.Allocation.Spec.ReservationName != "" {
		name = t.Allocation.Spec.ServiceRef.Namespace + "/" + t.Allocation.Spec.ReservationName
	}
	if name != "" {
		says = append(says, "by NodePortReservation "+name+", for as long as that exists")
	}
	if says == nil {
		return nil
	}
	return &Fact{About: "Kept", Says: says}
}

// mostNamespaces is how many of them are named.
const mostNamespaces = 8

// namespaces are those that may have a number that nobody has.
func (t teller) namespaces() *Fact {
	if t.State != picture.Free || t.Pool == nil || t.Pool.Drained() || !t.Complete(picture.Namespaces) {
		return nil
	}
	var names []string
	for _, ns := range t.Namespaces {
		if slices.Contains(t.Chart().PoolsFor(ns.Labels), t.Pool) {
			names = append(names, ns.Name)
		}
	}
	if len(names) == 0 {
		return &Fact{About: "For", Says: []string{"no namespace that there is"}}
	}
	what := "namespaces "
	if len(names) == 1 {
		what = "namespace "
	}
	return &Fact{About: "For", Says: []string{what + term.Few(names, mostNamespaces)}}
}

// assumption says how a number outside of the range may be inside all the same.
func (t teller) assumption() *Fact {
	if t.State != picture.Outside || !t.RangeAssumed {
		return nil
	}
	return &Fact{About: "The range", Says: []string{"is Kubernetes' usual one: if the API server has another, say which by --service-node-port-range"}}
}

// advice is what one may want to do next.
func (t teller) advice() *Fact {
	if fact := t.wayBack(); fact != nil {
		return fact
	}
	var says string
	switch {
	case t.State == picture.Free:
		says = fmt.Sprintf("nodePort: %d in a Service, or kubectl portolan reserve", t.Number.Number)
	case t.Lapsed:
		says = fmt.Sprintf("kubectl portolan release %d gives it up in the leader's place", t.Number.Number)
	case t.State == picture.Held && t.Allocation != nil:
		says = fmt.Sprintf("kubectl portolan release %d gives it up before that", t.Number.Number)
	case t.State == picture.Conflict:
		says = "kubectl portolan doctor says how to give each of them a number of its own"
	default:
		return nil
	}
	return &Fact{About: "Next", Says: []string{says}}
}
