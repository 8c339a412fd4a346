package netlink

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrChanged means that what was being listed changed so that the list may lack something; it is to be asked for again.
var ErrChanged = errors.New("it changed while it was read")

// Ask sends one question and calls visit with each object that answers it (of netfilter: its attributes), which is part of
// a buffer that is used again. After an error, visit's or ErrChanged, it calls visit no more.
func (s *Socket) Ask(question []byte, visit func(body []byte) error) error {
	if err := s.Send(question); err != nil {
		return err
	}
	// To the end, even if it is of no use any more: else the kernel refuses the next question.
	var failed error
	ended := Host.Uint16(question[6:])&unix.NLM_F_DUMP != unix.NLM_F_DUMP // a list says where it ends
	for {
		wire, err := s.receive()
		switch {
		case errors.Is(err, errNothing) && (ended || failed != nil):
			return failed
		case err != nil:
			return fmt.Errorf("reading the kernel's answer: %w", err)
		}
		err = Messages(wire, func(m Message) error {
			if ended = ended || m.isLast(); failed == nil {
				failed = m.read(s.header, visit)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
