package conntrack

// Kind is what entries are counted by.
type Kind struct {
	Protocol Protocol
	IPv6     bool
}

// Counts are numbers of entries; a kind of which there are none is not there.
type Counts map[Kind]int

// Total is how many there are of all kinds.
func (c Counts) Total() int {
	total := 0
	for _, n := range c {
		total += n
	}
	return total
}

func (c Counts) add(more Counts) {
	for k, n := range more {
		c[k] += n
	}
}

// take takes one away.
func (c Counts) take(k Kind) {
	if c[k]--; c[k] == 0 {
		delete(c, k)
	}
}
