package nft

import "iter"

// Counted are keys that several may ask for, each as often as it likes: an element is there while one does.
type Counted[K comparable] struct {
	count   map[K]int32
	element func(K) Element
}

// NewCounted has an element for each key.
func NewCounted[K comparable](element func(K) Element) Counted[K] {
	return Counted[K]{count: map[K]int32{}, element: element}
}

// Exchange asks for some and gives up others, those asked for first, so that what is in both stays untouched, and goes on
// counting its packets. Found is as for Put.
func (c Counted[K]) Exchange(gone, come []K, change *Change, found Table) {
	for _, k := range come {
		if c.count[k]++; c.count[k] == 1 {
			change.Put(found, c.element(k))
		}
	}
	for _, k := range gone {
		if c.count[k]--; c.count[k] == 0 {
			delete(c.count, k)
			change.Delete = append(change.Delete, c.element(k))
		}
	}
}

// Elements are those that are there, in no order.
func (c Counted[K]) Elements() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for k := range c.count {
			if !yield(c.element(k)) {
				return
			}
		}
	}
}
