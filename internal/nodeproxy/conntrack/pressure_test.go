package conntrack

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// tiny is the smallest buffer for answers that the kernel gives a socket, whatever one asks for.
const tiny = 1

func TestThroughTheSmallestBufferJustTheRightEntriesGo(t *testing.T) {
	table := openTable(t, testnet.New(t))
	fill(t, table, busy()[:20000]...)
	if err := table.socket.Restrict(0, tiny); err != nil {
		t.Fatal(err)
	}
	if got, err := table.Delete(flowsOfMany(serves)); err != nil || got.Total() != manyFrontends {
		t.Errorf("%v entries were deleted, error %v; want %d", got, err, manyFrontends)
	}
	n := 0
	if err := table.Each(func(Connection) { n++ }); err != nil || n != 20000-manyFrontends {
		t.Errorf("%d entries are left, error %v", n, err)
	}
}

func TestWhenAnswersAreLostTheSameCallFindsWhatIsLeft(t *testing.T) {
	table := openTable(t, testnet.New(t))
	entries := busy()[toOneFrontend : toOneFrontend+manyFrontends]
	fill(t, table, entries...)
	var found removal
	mustAsk(t, table, query{unix.AF_INET, UDP, 0}, func(e *entry) { found.add(e) })
	table.flush(t)
	kept := slices.Clone(entries[manyFrontends/2:])
	fill(t, table, kept...)
	if err := table.socket.Restrict(0, tiny); err != nil {
		t.Fatal(err)
	}
	if _, err := found.send(table.socket); !errors.Is(err, unix.ENOBUFS) { // each that has gone is an answer
		t.Errorf("all answers fitted: this tests nothing (%v)", err)
	}
	if _, err := table.Delete(flowsOfMany(serves)); err != nil {
		t.Error(err)
	}
	if left := table.entries(t, UDP); len(left) > 0 {
		t.Errorf("%d entries are left", len(left))
	}
}
