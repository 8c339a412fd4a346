package guard

import (
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// nobody is the acl of a port at a place where nobody has a say who lets in; it has no grants.
const nobody = nft.MaxACL

// acl is a list of sources in the kernel.
type acl struct {
	id  nft.ACL
	key string
	say
	*content
	places int // that it is in force at
}

// acquire is the acl for those who have a say, made anew or brought up to date, for one place more. It fits.
func (p *Planner) acquire(port nft.Port, o opinion, e *edit) *acl {
	a := p.acls[o.key]
	switch {
	case a == nil:
		a = p.newACL(port, o, e)
		p.acls[o.key] = a
	case a.pool != o.pool || !slices.Equal(a.policies, o.policies):
		e.rewrite(a, o.say)
	}
	if a.places++; a.places == 1 {
		p.charge(a.namespace(), a.ranges(), e)
	}
	return a
}

func (p *Planner) newACL(port nft.Port, o opinion, e *edit) *acl {
	a := &acl{key: o.key, say: o.say, content: compile(o.say)}
	a.id = p.idFor(port, o, a.content)
	for _, element := range a.elements(a.id) {
		e.add(element)
	}
	return a
}

func (p *Planner) idFor(port nft.Port, o opinion, c *content) nft.ACL {
	if o.closed() {
		return nobody
	}
	if id, ok := p.adopt(port, o.spot, c); ok {
		return id
	}
	return p.ids.Take()
}

// rewrite has an acl follow what those say now who have a say.
func (e *edit) rewrite(a *acl, now say) {
	before := a.content
	a.say, a.content = now, compile(now)
	if !a.content.equal(before) {
		e.replace(before.elements(a.id), a.content.elements(a.id))
	}
}

// release takes back an acl from a place. It goes at the end of the edit, if nobody has asked for it again.
func (p *Planner) release(a *acl, e *edit) {
	if a.places--; a.places == 0 {
		p.charge(a.namespace(), -a.ranges(), e)
		e.idle = append(e.idle, a)
	}
}

// drop deletes the acls that are in force nowhere any more.
func (p *Planner) drop(e *edit) {
	for _, a := range e.idle {
		if a.places > 0 || p.acls[a.key] != a {
			continue
		}
		for _, element := range a.elements(a.id) {
			e.delete(element)
		}
		delete(p.acls, a.key)
		p.ids.GiveBack(a.id)
	}
}
