package explain

import (
	"fmt"
	"iter"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// frontend is what becomes of connections to a frontend, a line for each thing there is to say.
func (s Subject) frontend(r route.Route) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(fmt.Sprintf("  %s, the %s", s.where(r), r.Kind)) {
			return
		}
		for _, sentence := range s.sentences(r) {
			if !yield("    " + sentence) {
				return
			}
		}
	}
}

func (s Subject) sentences(r route.Route) []string {
	if winner, lost := s.conflictAt(r.Frontend); lost {
		return []string{fmt.Sprintf("goes to %s, which has it too%s.", winner, precedence(r))}
	}
	said := []string{fate(r.Target) + "."}
	if r.Inside != nil {
		said = append(said, fmt.Sprintf("From this node and its pods it %s.", fate(*r.Inside)))
	}
	if len(r.Sources) > 0 {
		said = append(said, fmt.Sprintf("Only from %s: what comes from elsewhere is dropped.", join(r.Sources, len(r.Sources))))
	}
	if r.Affinity > 0 && r.Target.Action == route.Balance {
		said = append(said, fmt.Sprintf("A client keeps its endpoint until it has made no connection for %s.", duration.HumanDuration(r.Affinity)))
	}
	return append(said, seen(r)...)
}

// precedence is why another Service has a frontend. What two have is an outer address, as a rule.
func precedence(r route.Route) string {
	if r.Kind == route.ClusterIP || r.NodePort() {
		return " and is older"
	}
	return ", as its cluster IP or since it is older"
}

// seen says whom endpoints see as the client.
func seen(r route.Route) []string {
	switch {
	case r.Target.Action != route.Balance:
		return nil
	case r.Masquerade:
		return []string{"Endpoints see this node as the client."}
	case r.Kind != route.ClusterIP:
		return []string{"Endpoints see the client's own address."}
	}
	return nil
}

// where is the address that clients use.
func (s Subject) where(r route.Route) string {
	if !r.NodePort() {
		return netip.AddrPortFrom(r.Addr, r.Port).String()
	}
	var own []string
	for _, ip := range s.NodePortIPs {
		if ip.Is4() == (r.Family == nft.IPv4) {
			own = append(own, netip.AddrPortFrom(ip, r.Port).String())
		}
	}
	if len(own) == 0 {
		return fmt.Sprintf("%d on no %s address of this node", r.Port, r.Family)
	}
	return strings.Join(own, " and ")
}

// fate is what becomes of a connection.
func fate(t route.Target) string {
	switch {
	case t.Action == route.Refuse:
		return "is refused: there is no endpoint"
	case t.Action == route.Discard:
		return "is dropped: no endpoint is on this node, and the traffic policy is Local"
	case len(t.Endpoints) == 1:
		return "goes to " + t.Endpoints[0].String()
	}
	text := fmt.Sprintf("goes to any of %d endpoints", len(t.Endpoints))
	if t.Policy == route.Local {
		text += " on this node"
	}
	return fmt.Sprintf("%s, each as likely: %s", text, join(t.Endpoints, 8))
}

// join lists some of what there is.
func join[T fmt.Stringer](all []T, limit int) string {
	var texts []string
	for _, one := range all[:min(limit, len(all))] {
		texts = append(texts, one.String())
	}
	if more := len(all) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}
