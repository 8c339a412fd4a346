package conntrack

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// sentTogether is how many deletions are sent at once. The kernel answers each that fails, and the answers have to fit
// into the socket, even one of the usual size.
const sentTogether = 100

// removal is a list of entries to be deleted: a request for each, one after another.
//
// A request names the tuple of the answers' direction, which has the endpoint in it, and the entry's number, which the
// kernel makes from the other tuple and the entry's place in memory. So a flow that has begun anew meanwhile is not hit:
// the tuple of the client's direction would be the same, and so would the number be, as the place is used again at once.
//
// There is always a tuple: without one, the request would be to delete everything. For the same reason nothing is deleted
// by filters, which the kernel has since Linux 6.11: an older one leaves out the filter, and does the rest.
type removal struct {
	wire   netlink.Attributes
	begins []int
	kinds  []Kind
}

func (r *removal) add(e *entry) {
	at := r.wire.Begin(netlink.Header{
		Kind:     unix.NFNL_SUBSYS_CTNETLINK<<8 | messageDelete,
		Sequence: uint32(len(r.begins)), //nolint:gosec // counts messages of one batch
		Family:   familyOf(e.sentOn.Addr()),
	})
	r.wire.Bytes(attributeReply|unix.NLA_F_NESTED, e.answers)
	if e.id != nil {
		r.wire.Bytes(attributeID, e.id)
	}
	r.wire.End(at)
	r.begins = append(r.begins, at)
	r.kinds = append(r.kinds, e.kind())
}

// send has the kernel delete the entries. Those that have gone already do not count, and are no error.
func (r *removal) send(s *netlink.Socket) (deleted Counts, err error) {
	deleted = Counts{}
	for from := 0; from < len(r.begins) && err == nil; from += sentTogether {
		err = r.sendSome(s, from, min(from+sentTogether, len(r.begins)), deleted)
	}
	return deleted, err
}

// sendSome sends the requests from one up to another, and counts. Only the last of them asks for an answer if it succeeds.
func (r *removal) sendSome(s *netlink.Socket, from, to int, deleted Counts) error {
	end := len(r.wire)
	if to < len(r.begins) {
		end = r.begins[to]
	}
	flags := r.wire[r.begins[to-1]+6:]
	netlink.Host.PutUint16(flags, netlink.Host.Uint16(flags)|unix.NLM_F_ACK)
	if err := s.Send(r.wire[r.begins[from]:end]); err != nil {
		return err
	}
	for _, k := range r.kinds[from:to] {
		deleted[k]++
	}
	answered := false
	var refused error
	lost := s.Answers(func(a netlink.Answer) {
		answered = answered || a.Sequence == uint32(to-1) //nolint:gosec // counts messages of one batch
		if a.Errno == 0 {
			return
		}
		deleted.take(r.kinds[a.Sequence])
		if a.Errno != unix.ENOENT && refused == nil {
			refused = refusal(a)
		}
	})
	if lost == nil && !answered {
		lost = errors.New("no answer")
	}
	if lost != nil {
		lost = fmt.Errorf("not known how many entries were deleted: %w", lost)
	}
	return errors.Join(refused, lost)
}

func refusal(a netlink.Answer) error {
	if a.Text != "" {
		return fmt.Errorf("deleting an entry: %w (%s)", a.Errno, a.Text)
	}
	return fmt.Errorf("deleting an entry: %w", a.Errno)
}
