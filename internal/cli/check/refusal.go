package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
)

// refusing are NodePortAccess objects and the pool that do not let in whoever asked. Interfaces are not looked at: one by
// which nobody came lets in nobody, but which it was is not known.
func (e examiner) refusing() (Cause, bool) {
	state := e.state()
	if state == nil || state.Status.Guard == nil || !e.answer.Source.IsValid() {
		return Cause{}, false
	}
	if pool := e.ceiling(); pool != "" {
		return Cause{Says: fmt.Sprintf("pool %s does not let %s in (spec.access)%s", pool, e.caller(), e.perhaps()), Commands: []string{"kubectl describe npp " + pool}}, true
	}
	var says, commands, mending []string
	for _, object := range e.Selecting(e.Of, e.Port.Name) {
		refuses, mends := e.refuses(object)
		if refuses == "" {
			return Cause{}, false
		}
		says = append(says, fmt.Sprintf("NodePortAccess %s %s", object.Name, refuses))
		commands = append(commands, fmt.Sprintf("kubectl -n %s describe npacc %s", object.Namespace, object.Name))
		if mends != "" && len(mending) == 0 {
			mending = append(mending, mends)
		}
	}
	return Cause{Says: strings.Join(says, "; "), Commands: append(commands, mending...)}, len(says) > 0
}

// refuses says which part of a NodePortAccess does not let in whoever asked, at that address, and with which command it would,
// where that is certain; empty: it lets him in.
func (e examiner) refuses(object *v1alpha1.NodePortAccess) (says, mends string) {
	p := access.NewPolicy(object)
	at := slices.IndexFunc(e.Nodes, func(n corev1.Node) bool { return n.Name == e.Node })
	switch {
	case len(p.Problems) > 0:
		return fmt.Sprintf("lets nobody in, since it cannot be read: %v", p.Problems.ToAggregate()), ""
	case at < 0 && !p.GrantsOn(nil):
		return "may let nobody in at this node: its labels, by which that goes, are not known (spec.nodeSelector)", ""
	case at >= 0 && !p.GrantsOn(e.Nodes[at].Labels):
		return "lets nobody in at this node (spec.nodeSelector)", ""
	case len(p.Addresses) > 0 && !slices.ContainsFunc(p.Addresses, func(r netip.Prefix) bool { return r.Contains(e.Address.Addr()) }):
		return "lets nobody in at this address of the node (spec.addresses)", ""
	case contains(p.Sources, e.answer.Source, true):
		return "", ""
	case e.from == "":
		return fmt.Sprintf("does not let %s in (spec.from)%s", e.caller(), e.perhaps()), ""
	}
	return fmt.Sprintf("does not let %s in (spec.from): where they are to come in, each takes an entry", e.caller()), e.letIn(object.Name)
}

// caller is who asked. Nodes are not told apart, so that what holds for all of them is said once.
func (e examiner) caller() string {
	if e.from != "" {
		return "the addresses of nodes"
	}
	return e.answer.Source.String()
}

// perhaps says of whom the cluster may know by another address that it may, and how to find out; empty: it does not.
func (e examiner) perhaps() string {
	if e.from != "" {
		return ""
	}
	return fmt.Sprintf("; that is your address here, and the cluster may see you as another: tcpdump -ni any port %d on the node, while you try again, shows as which",
		e.Port.NodePort)
}

// letIn is the command that has a NodePortAccess, which lists some sources, let whoever asked in.
func (e examiner) letIn(name string) string {
	source := netip.PrefixFrom(e.answer.Source, e.answer.Source.BitLen())
	return fmt.Sprintf(`kubectl -n %s patch npacc %s --type=json -p '[{"op":"add","path":"/spec/from/-","value":{"ipBlock":{"cidr":"%s"}}}]'`, e.Of.Namespace, name, source)
}

// ceiling is the pool that does not let in whoever asked; "": none.
func (e examiner) ceiling() string {
	owner := e.Chart().PoolOf(e.Port.NodePort)
	if owner == nil || owner.Spec.Access == nil {
		return ""
	}
	at := slices.IndexFunc(e.Pools, func(p v1alpha1.NodePortPool) bool { return p.Name == owner.Name })
	if at < 0 || contains(access.NewPool(&e.Pools[at]).Sources, e.answer.Source, false) {
		return ""
	}
	return owner.Name
}

// contains says whether an address is in any block, and what without any.
func contains(blocks []access.Block, a netip.Addr, without bool) bool {
	return len(blocks) == 0 && without || slices.ContainsFunc(blocks, func(b access.Block) bool { return b.Contains(a) })
}
