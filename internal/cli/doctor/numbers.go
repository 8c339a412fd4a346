package doctor

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// allocatedCondition is a Service's that has trouble with its numbers. Source: controllers/service_controller.go.
const allocatedCondition = "portolan.dev/Allocated"

// conflicts are numbers that several Services carry.
func conflicts(c *Cluster) (r Result) {
	if !c.Complete(picture.Services) {
		r.unseen("services of other namespaces", fmt.Errorf("%s", c.GapsText(picture.Services)))
	}
	n := 0
	for _, number := range c.Taken() {
		if number.State != picture.Conflict {
			continue
		}
		n++
		owner, _ := number.Owner()
		var others, commands []string
		for _, svc := range number.Carriers {
			if svc.Namespace == owner.Namespace && svc.Name == owner.Name {
				continue
			}
			others = append(others, svc.Namespace+"/"+svc.Name)
			commands = append(commands, c.renumber(svc, number.Number)...)
		}
		r.trouble(fmt.Sprintf("nodeportallocation/%d", number.Number),
			fmt.Sprintf("%d is Service %s's, and %s carries it too: which of them gets the traffic is chance.", number.Number, owner, term.Few(others, few)), commands...)
	}
	r.Summary = "no number is carried by several Services"
	if n > 0 {
		r.Summary = term.Counted(n, "number") + " carried by several Services"
	}
	return r
}

// clashes are numbers of Services that something else uses on nodes.
func clashes(c *Cluster) (r Result) {
	if !c.Complete(picture.NodeStates) {
		r.unseen("nodeportnodestates", fmt.Errorf("%s", c.GapsText(picture.NodeStates)))
		return r
	}
	c.partly(&r, picture.Services)
	for _, number := range c.Taken() {
		if number.State != picture.InUse || len(number.Clashes) == 0 {
			continue
		}
		owner, _ := number.Owner()
		var users []string
		for _, clash := range c.NodeClashes(number.Number) {
			if clash.Kind != v1alpha1.ClashEphemeral {
				users = append(users, fmt.Sprintf("%s of %s", user(clash.Clash), clash.Node))
			}
		}
		commands := []string{fmt.Sprintf("kubectl portolan who %d", number.Number)}
		for _, svc := range number.Carriers {
			commands = append(commands, c.renumber(svc, number.Number)...)
		}
		r.trouble(fmt.Sprintf("nodeportallocation/%d", number.Number),
			fmt.Sprintf("%d is Service %s's, and is used by %s: there one of the two gets no traffic. Move that, or give the Service another number.", number.Number, owner, term.Few(users, few)), commands...)
	}
	r.Summary = "no Service's number is used by anything else"
	if len(r.Findings) > 0 {
		r.Summary = term.Counted(len(r.Findings), "number") + " used by something else too"
	}
	return r
}

func user(clash v1alpha1.Clash) string {
	switch {
	case clash.Kind == v1alpha1.ClashHostPort && clash.Process != "":
		return "hostPort of pod " + clash.Process
	case clash.Kind == v1alpha1.ClashHostPort:
		return "a hostPort"
	case clash.Process != "":
		return "process " + clash.Process
	}
	return "a process"
}

// services are those that say that they have trouble.
func services(c *Cluster) (r Result) {
	if !c.Complete(picture.Services) {
		r.unseen("services of other namespaces", fmt.Errorf("%s", c.GapsText(picture.Services)))
	}
	for i := range c.Services {
		svc := &c.Services[i]
		condition := troubled(svc)
		if condition == nil {
			continue
		}
		r.trouble(fmt.Sprintf("service/%s (namespace %s)", svc.Name, svc.Namespace),
			"It has trouble with its numbers: "+strings.TrimSuffix(condition.Message, ".")+".",
			append(c.outside(svc), fmt.Sprintf("kubectl -n %s describe service %s", svc.Namespace, svc.Name))...)
	}
	r.Summary = fmt.Sprintf("%s looked at", term.Counted(len(c.Services), "Service"))
	return r
}

// outside are the commands that give a Service numbers of its namespace's pools in the place of others.
func (c *Cluster) outside(svc *corev1.Service) []string {
	ns := c.Picture.Namespace(svc.Namespace)
	if ns == nil {
		return nil
	}
	var commands []string
	for _, port := range svc.Spec.Ports {
		if port.NodePort != 0 && !slices.Contains(c.Chart().PoolsFor(ns.Labels), c.Chart().PoolOf(port.NodePort)) {
			commands = append(commands, c.renumber(svc, port.NodePort)...)
		}
	}
	return commands
}
