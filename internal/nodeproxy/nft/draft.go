package nft

// Put plans an element. Found are those that the kernel had before anything was planned, and that nobody has asked for yet;
// one that is planned is none of them any more.
func (c *Change) Put(found Table, element Element) {
	k := element.Key
	if had, ok := found[k]; ok {
		delete(found, k)
		if had == element.Value {
			return
		}
		c.Delete = append(c.Delete, Element{Key: k, Value: had})
	}
	c.Add = append(c.Add, element)
}

// Replace turns elements into others, no key being twice in either. Found is as for Put.
func (c *Change) Replace(found Table, before, after []Element) {
	if len(before) == 0 { // as for every Service at the start
		for _, e := range after {
			c.Put(found, e)
		}
		return
	}
	gone := make(map[Element]bool, len(before))
	for _, e := range before {
		gone[e] = true
	}
	var come []Element
	for _, e := range after {
		if !gone[e] {
			come = append(come, e)
		}
		delete(gone, e)
	}
	for _, e := range before {
		if gone[e] {
			c.Delete = append(c.Delete, e)
		}
	}
	for _, e := range come {
		c.Put(found, e)
	}
}
