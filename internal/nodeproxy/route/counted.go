package route

// counted are keys that several Services may ask for, each as often as it likes: an element is there while one does.
type counted[K comparable] struct {
	count map[K]int32
	key   func(K) Key
}

func newCounted[K comparable](key func(K) Key) counted[K] {
	return counted[K]{count: map[K]int32{}, key: key}
}

// exchange asks for some and gives up others, those asked for first, so that what is in both stays untouched.
func (c counted[K]) exchange(gone, come []K, e *edit) {
	for _, k := range come {
		if c.count[k]++; c.count[k] == 1 {
			e.add(c.key(k), Data{})
		}
	}
	for _, k := range gone {
		if c.count[k]--; c.count[k] == 0 {
			delete(c.count, k)
			e.delete(c.key(k), Data{})
		}
	}
}

func (c counted[K]) elements(yield func(Element) bool) bool {
	for k := range c.count {
		if !yield(Element{c.key(k), Data{}}) {
			return false
		}
	}
	return true
}
