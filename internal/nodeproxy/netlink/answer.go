package netlink

import (
	"errors"

	"golang.org/x/sys/unix"
)

const errorCapped = 0x100 // NLM_F_CAPPED

// Answer is what the kernel says to one message; Errno 0 is success.
type Answer struct {
	Sequence uint32
	Errno    unix.Errno
	Text     string
	Offset   uint32 // of the attribute it does not like, from the start of the message
}

// Answers calls visit for each answer to what has been sent. Where some did not fit into the socket it goes on with those
// that did, and says so at the end, with unix.ENOBUFS.
func (s *Socket) Answers(visit func(Answer)) error {
	var lost error
	for {
		wire, err := s.receive()
		switch {
		case errors.Is(err, errNothing):
			return lost
		case errors.Is(err, unix.ENOBUFS):
			lost = err
			continue
		case err != nil:
			return err
		}
		err = Messages(wire, func(m Message) error {
			if m.Kind != unix.NLMSG_ERROR {
				return nil
			}
			a, err := m.Answer()
			if err == nil {
				visit(a)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
}

// Answer reads a message of kind NLMSG_ERROR: a number, the header of the request or all of it, attributes.
func (m Message) Answer() (Answer, error) {
	a := Answer{Sequence: m.Sequence}
	if len(m.Body) < 4+MessageHeader {
		return a, ErrMalformed
	}
	a.Errno = unix.Errno(-int32(Host.Uint32(m.Body))) //nolint:gosec // the kernel writes a negative int32
	if m.Flags&unix.NLM_F_ACK_TLVS == 0 {
		return a, nil
	}
	rest := m.Body[4:]
	skip := MessageHeader
	if m.Flags&errorCapped == 0 {
		skip = Padded(int(Host.Uint32(rest)))
	}
	if skip < MessageHeader || skip > len(rest) {
		return a, ErrMalformed
	}
	return a, Parse(rest[skip:], func(attribute uint16, value []byte) error {
		switch attribute {
		case unix.NLMSGERR_ATTR_MSG:
			return ParseText(value, &a.Text)
		case unix.NLMSGERR_ATTR_OFFS: // unlike netfilter's own numbers
			if len(value) != 4 {
				return ErrMalformed
			}
			a.Offset = Host.Uint32(value)
		}
		return nil
	})
}
