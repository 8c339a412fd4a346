package portmap

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/cli/picture"
)

// Document is the map for programs (-o json, -o yaml).
type Document struct {
	// From and To are the first and the last number of the range.
	From int32 `json:"from"`
	To   int32 `json:"to"`
	// Pools are in the order of their numbers; the last one, without a name, has those of no pool that the caller knows of.
	Pools []Pool `json:"pools"`
	// Numbers are those that are somebody's, or that something else uses, ascending; also those outside of the range.
	Numbers []Number `json:"numbers"`
	// Unseen says what the caller may not read; absent: he may read all.
	Unseen string `json:"unseen,omitempty"`
}

// Pool is how full one is: each of its numbers that are in the range is counted once.
type Pool struct {
	Name string `json:"name"`
	// Ranges are its numbers: "30100-30199,30500".
	Ranges string `json:"ranges"`
	// Note says what hinders it; absent: nothing does.
	Note  string `json:"note,omitempty"`
	Total int    `json:"total"`
	InUse int    `json:"inUse"`
	// Others are in use or kept in other namespaces than the one of -n; absent without that.
	Others int `json:"others,omitempty"`
	// Kept are held for their last Service, reserved, or just being claimed.
	Kept int `json:"kept"`
	// Clashing are nobody's, and used by something else on a node.
	Clashing int `json:"clashing"`
	// Unknown may be anything: the caller may not read it.
	Unknown int `json:"unknown"`
	Free    int `json:"free"`
}

// Number is one of them.
type Number struct {
	NodePort int32 `json:"nodePort"`
	// State is InUse, Pending, Held, Reserved, Conflict or Clashing.
	State picture.State `json:"state"`
	// Trouble: traffic to it may go astray.
	Trouble bool `json:"trouble,omitempty"`
	// Pool is that which it was taken from, or is in; absent: none.
	Pool string `json:"pool,omitempty"`
	// Namespace and Service are who has it, or whom it is kept for; absent: nobody that the caller may know of.
	Namespace string `json:"namespace,omitempty"`
	Service   string `json:"service,omitempty"`
}

// document is what the map shows, of a picture. Numbers of other namespaces than the one asked for are counted, and not listed.
func (c *chart) document(p *picture.Picture) Document {
	d := Document{
		From: c.clusterRange.From, To: c.clusterRange.To, Pools: []Pool{}, Numbers: []Number{},
		Unseen: p.GapsText(mapped...),
	}
	for _, a := range c.areas {
		d.Pools = append(d.Pools, a.document())
	}
	for _, n := range p.Taken() {
		owner, _ := n.Owner()
		if !c.excludes(n) && (c.pool == "" || n.PoolName() == c.pool) {
			d.Numbers = append(d.Numbers, numberOf(n, owner))
		}
	}
	return d
}

func numberOf(n picture.Number, owner types.NamespacedName) Number {
	return Number{NodePort: n.Number, State: n.State, Trouble: n.Troubled(), Pool: n.PoolName(), Namespace: owner.Namespace, Service: owner.Name}
}

func (a *area) document() Pool {
	doc := Pool{
		Ranges: a.numbers.Join(","), Note: a.note, Total: a.counts.total, InUse: a.counts.bound, Others: a.counts.others,
		Kept: a.counts.kept(), Clashing: a.counts.clashing, Unknown: a.counts.unknown, Free: a.counts.free,
	}
	if a.isPool() {
		doc.Name = a.name
	}
	return doc
}
