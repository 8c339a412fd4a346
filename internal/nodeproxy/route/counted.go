package route

import "github.com/portolan-dev/portolan/internal/nodeproxy/nft"

// counted are keys that several Services may ask for, each as often as it likes: an element is there while one does.
type counted[K comparable] struct {
	count   map[K]int32
	element func(K) nft.Element
}

func newCounted[K comparable](element func(K) nft.Element) counted[K] {
	return counted[K]{count: map[K]int32{}, element: element}
}

// exchange asks for some and gives up others, those asked for first, so that what is in both stays untouched.
func (c counted[K]) exchange(gone, come []K, e *edit) {
	for _, k := range come {
		if c.count[k]++; c.count[k] == 1 {
			e.add(c.element(k))
		}
	}
	for _, k := range gone {
		if c.count[k]--; c.count[k] == 0 {
			delete(c.count, k)
			e.delete(c.element(k))
		}
	}
}

func (c counted[K]) elements() []nft.Element {
	elements := make([]nft.Element, 0, len(c.count))
	for k := range c.count {
		elements = append(elements, c.element(k))
	}
	return elements
}
