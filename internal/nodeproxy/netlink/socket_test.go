package netlink

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const (
	deleteEntry = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE
	listTables  = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETTABLE
)

func opened(t *testing.T) *Socket {
	t.Helper()
	n := testnet.New(t)
	var s *Socket
	err := n.Do(func() (err error) {
		s, err = Open()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// requests are so many that all fail, each with its number in the answer.
func requests(n int) Attributes {
	var a Attributes
	for i := range n {
		at := a.Begin(Header{Kind: deleteEntry, Sequence: uint32(i), Family: unix.AF_INET})
		a.Nest(1, func() {}) // CTA_TUPLE_ORIG, without anything in it
		a.End(at)
	}
	return a
}

func TestEachOfSeveralRequestsIsAnswered(t *testing.T) {
	s := opened(t)
	const n = 50
	if err := s.Send(requests(n)); err != nil {
		t.Fatal(err)
	}
	next := uint32(0)
	err := s.Answers(func(a Answer) {
		if a.Sequence != next || a.Errno != unix.EINVAL {
			t.Errorf("got %+v, want an error of request %d", a, next)
		}
		next++
	})
	if err != nil || next != n {
		t.Errorf("%d answers, error %v", next, err)
	}
}

func TestThatAnswersWereLostIsSaid(t *testing.T) {
	s := opened(t)
	if err := s.Restrict(0, 4096); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first time is forgotten
		if err := s.Send(requests(1000)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	if err := s.Answers(func(Answer) { n++ }); !errors.Is(err, unix.ENOBUFS) || n == 0 || n == 1000 {
		t.Errorf("%d answers, error %v", n, err)
	}
}

func TestWithoutTheRightToALargerBufferARequestMustBeSmaller(t *testing.T) {
	s := opened(t)
	if err := s.Restrict(4096, 0); err != nil {
		t.Fatal(err)
	}
	one := len(requests(1))
	if err := s.Send(requests(s.room/one + 1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("above the limit: %v", err)
	}
	if err := s.Send(requests(s.room / one)); err != nil { // measured rightly: the kernel agrees
		t.Errorf("below the limit: %v", err)
	}
	s.growing = true
	if err := s.Send(requests(10 * s.room / one)); err != nil {
		t.Errorf("with the right to it: %v", err)
	}
}

func TestAfterAFailedQuestionTheNextIsAnswered(t *testing.T) {
	s := opened(t)
	const tables = 500 // more than the kernel lists at once
	addTables(t, s, tables)
	var question Attributes
	question.End(question.Begin(Header{Kind: listTables, Flags: unix.NLM_F_DUMP}))
	enough := errors.New("enough")
	calls := 0
	if err := s.Ask(question, func([]byte) error { calls++; return enough }); !errors.Is(err, enough) || calls != 1 {
		t.Errorf("got %v after %d tables", err, calls)
	}
	if err := s.Ask(requests(1), func([]byte) error { return nil }); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a question that is refused: %v", err)
	}
	calls = 0
	if err := s.Ask(question, func([]byte) error { calls++; return nil }); err != nil || calls != tables {
		t.Errorf("then there are %d tables, error %v; want %d", calls, err, tables)
	}
}

func addTables(t *testing.T, s *Socket, n int) {
	t.Helper()
	var a Attributes
	a.End(a.Begin(Header{Kind: unix.NFNL_MSG_BATCH_BEGIN, Resource: unix.NFNL_SUBSYS_NFTABLES}))
	for i := range n {
		at := a.Begin(Header{Kind: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE, Flags: unix.NLM_F_CREATE, Family: unix.NFPROTO_INET})
		a.Text(unix.NFTA_TABLE_NAME, fmt.Sprintf("%0150d", i))
		a.End(at)
	}
	a.End(a.Begin(Header{Kind: unix.NFNL_MSG_BATCH_END, Resource: unix.NFNL_SUBSYS_NFTABLES}))
	if err := s.Send(a); err != nil {
		t.Fatal(err)
	}
}
