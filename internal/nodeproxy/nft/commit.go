package nft

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// commit has the kernel do all of a batch or nothing. An error is an *Error where the kernel refused, ErrTooLarge where
// it was not asked, ErrDoubt where its answer was lost. The batch cannot be used again.
func (s *socket) commit(b *batch) error {
	if b.empty() {
		return nil
	}
	if err := s.send(b.finish()); err != nil {
		return err
	}
	var refusal *Error
	taken := false
	err := s.answers(func(a answer) {
		switch {
		case a.errno == 0:
			taken = taken || a.sequence == uint32(b.at)
		case refusal == nil:
			refusal = b.refusal(a)
		default:
			refusal.More++
		}
	})
	switch {
	case refusal != nil: // also where later errors were lost
		return refusal
	case err != nil:
		return fmt.Errorf("%w: %w", ErrDoubt, err)
	case !taken:
		return fmt.Errorf("%w: no answer", ErrDoubt)
	}
	return nil
}

// answers calls visit for each answer that is there. Where some did not fit into the socket it goes on with those that
// did, and says so at the end.
func (s *socket) answers(visit func(answer)) error {
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
		err = messages(wire, func(m message) error {
			if m.kind != unix.NLMSG_ERROR {
				return nil
			}
			a, err := parseAnswer(m)
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
