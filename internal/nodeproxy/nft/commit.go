package nft

import (
	"fmt"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// commit has the kernel do all of a batch or nothing. An error is an *Error where the kernel refused, ErrTooLarge where
// it was not asked, ErrDoubt where its answer was lost. The batch cannot be used again.
func (s *socket) commit(b *batch) error {
	if b.empty() {
		return nil
	}
	if err := s.Send(b.finish()); err != nil {
		return err
	}
	var refusal *Error
	taken := false
	err := s.Answers(func(a netlink.Answer) {
		switch {
		case a.Errno == 0:
			taken = taken || a.Sequence == uint32(b.at) //nolint:gosec // a batch is far below 4 GiB
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
