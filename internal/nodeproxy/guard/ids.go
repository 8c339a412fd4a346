package guard

import "github.com/portolan-dev/portolan/internal/nodeproxy/nft"

// nobody is the acl of a port at a place where nobody has a say who lets in; it has no grants.
const nobody = nft.MaxACL

// ids hands out the numbers of all other acls, from 1 on. One that is given back is not handed out again before all
// others were: a packet that looked one up a moment ago must not find another's sources under it.
type ids struct {
	next nft.ACL
	used map[nft.ACL]bool
}

func newIDs() *ids { return &ids{next: 1, used: map[nft.ACL]bool{}} }

// left is how many are not handed out.
func (i *ids) left() int { return int(nobody) - 1 - len(i.used) }

// take hands one out; there must be one left.
func (i *ids) take() nft.ACL {
	for i.used[i.next] {
		i.pass(i.next)
	}
	id := i.next
	i.used[id] = true
	i.pass(id)
	return id
}

// keep marks a number as handed out already, and goes on after it.
func (i *ids) keep(id nft.ACL) {
	if id < 1 || id >= nobody {
		return
	}
	i.used[id] = true
	if id >= i.next {
		i.pass(id)
	}
}

func (i *ids) pass(id nft.ACL) { i.next = id%(nobody-1) + 1 }

func (i *ids) giveBack(id nft.ACL) { delete(i.used, id) }
