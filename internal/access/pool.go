package access

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Pool is what a NodePortPool says of who may reach its numbers. It does not change once made.
type Pool struct {
	Name    string
	Created metav1.Time
	Ranges  []v1alpha1.PortRange
	// Capped: only Sources may reach its numbers, which may be nobody.
	Capped  bool
	Sources []Block
}

// NewPool reads a NodePortPool. Where its access cannot be read, nobody may reach its numbers.
func NewPool(object *v1alpha1.NodePortPool) *Pool {
	p := &Pool{Name: object.Name, Created: object.CreationTimestamp, Ranges: object.Spec.Ranges}
	if object.Spec.Access == nil {
		return p
	}
	p.Capped = true
	if sources, errs := blocks(object.Spec.Access.From, field.NewPath("spec", "access", "from")); len(errs) == 0 {
		p.Sources = sources
	}
	return p
}

// Has says whether a number is in its ranges; a nil pool has none.
func (p *Pool) Has(number uint16) bool {
	return p != nil && slices.ContainsFunc(p.Ranges, func(r v1alpha1.PortRange) bool {
		return int32(number) >= r.From && int32(number) <= r.To
	})
}

// Compare orders pools as they own numbers that are in the ranges of several: the older before the younger, then by
// name. Source: rules.NewChart.
func (p *Pool) Compare(o *Pool) int {
	return cmp.Or(p.Created.Compare(o.Created.Time), cmp.Compare(p.Name, o.Name))
}

// Equal says whether two pools do the same; either may be nil.
func (p *Pool) Equal(o *Pool) bool {
	if p == nil || o == nil {
		return p == o
	}
	return p.Name == o.Name && p.Created.Equal(&o.Created) && slices.Equal(p.Ranges, o.Ranges) &&
		p.Capped == o.Capped && slices.EqualFunc(p.Sources, o.Sources, Block.Equal)
}
