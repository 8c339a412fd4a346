package guard

import (
	"strings"

	"github.com/portolan-dev/portolan/internal/access"
)

// say is who has a say in who reaches a port at a place.
type say struct {
	// pool is the one whose access is the ceiling; nil: there is none.
	pool *access.Pool
	// selected: some NodePortAccess is about the port. policies are those that let in here, sorted by name, all of one
	// namespace.
	selected bool
	policies []*access.Policy
}

// unlimited says whether nobody has: the port is open.
func (s say) unlimited() bool { return s.pool == nil && !s.selected }

// closed says whether nobody has who lets in.
func (s say) closed() bool { return s.selected && len(s.policies) == 0 }

// settled leaves out a ceiling over nobody.
func (s say) settled() say {
	if s.closed() {
		s.pool = nil
	}
	return s
}

// key is the same for those among whom the same objects have a say.
func (s say) key() string {
	var b strings.Builder
	if s.pool != nil {
		b.WriteString(s.pool.Name)
	}
	b.WriteByte('/')
	if s.selected && len(s.policies) > 0 {
		b.WriteString(s.policies[0].Name.Namespace)
	}
	if s.selected {
		b.WriteByte('/')
	}
	for _, p := range s.policies {
		b.WriteString(p.Name.Name)
		b.WriteByte('/')
	}
	return b.String()
}
