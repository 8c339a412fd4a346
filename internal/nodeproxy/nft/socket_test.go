package nft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

func openIn(t *testing.T, n *testnet.Namespace) *socket {
	t.Helper()
	var s *socket
	err := n.Do(func() (err error) {
		s, err = openSocket()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some tests have closed it
	return s
}

func mustCommit(t *testing.T, s *socket, b *batch) {
	t.Helper()
	if err := s.commit(b); err != nil {
		t.Fatal(err)
	}
}

// read is every element of a set, as text.
func read(t *testing.T, s *socket, table, set string) []string {
	t.Helper()
	var elements []string
	err := s.dumpElements(table, set, func(e entry) error {
		elements = append(elements, fmt.Sprintf("%x-%x closing %t: %x %q", e.key, e.end, e.closing, e.value, e.chain))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(elements)
	return elements
}

func TestTheKernelHoldsSetsOfEachKind(t *testing.T) {
	s := openIn(t, testnet.New(t))
	sets := []struct {
		set  set
		put  entry
		want []string
	}{
		{set{name: "plain", key: []datatype{typePort}}, entry{key: []byte{0, 80}}, []string{`0050- closing false:  ""`}},
		{
			set{name: "map", key: []datatype{typeAddress4, typeProtocol, typePort}, data: []datatype{typeAddress6, typePort}},
			entry{key: slices.Concat([]byte{10, 0, 0, 1}, []byte{6, 0, 0, 0}, []byte{0, 80, 0, 0}), value: make([]byte, 20)},
			[]string{`0a0000010600000000500000- closing false: ` + strings.Repeat("0", 40) + ` ""`},
		},
		{set{name: "verdicts", key: []datatype{typeNumber}, data: []datatype{typeVerdict}}, entry{key: []byte{1, 0, 0, 0}, chain: "c"}, []string{`01000000- closing false:  "c"`}},
		{set{name: "from", key: []datatype{typeAddress4}, interval: true}, entry{key: []byte{10, 0, 0, 0}}, []string{`0a000000- closing false:  ""`}},
		{set{name: "to", key: []datatype{typeAddress4}, interval: true}, entry{key: []byte{10, 0, 0, 0}, closing: true}, []string{`0a000000- closing true:  ""`}},
		{
			set{name: "ranges", key: []datatype{typePort, typeAddress4}, interval: true},
			entry{key: []byte{0, 80, 0, 0, 10, 0, 0, 0}, end: []byte{0, 80, 0, 0, 10, 255, 255, 255}},
			[]string{`005000000a000000-005000000affffff closing false:  ""`},
		},
		{set{name: "dynamic", key: []datatype{typeAddress4}, data: []datatype{typeNumber}, dynamic: true, timeout: time.Hour, size: 10}, entry{key: []byte{1, 2, 3, 4}, value: []byte{1, 0, 0, 0}}, []string{`01020304- closing false: 01000000 ""`}},
	}
	b := newBatch("t")
	b.addTable(0)
	b.addChain("c", nil)
	for i, c := range sets {
		b.addSet(&c.set, uint32(i))
		b.addElements(c.set.name, all(c.put))
	}
	mustCommit(t, s, b)

	for _, c := range sets {
		if diff := cmp.Diff(c.want, read(t, s, "t", c.set.name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.set.name, diff)
		}
	}
	objects, err := s.dumpObjects(setObjects, "t")
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range objects {
		got, err := parseSet(o.body)
		if err != nil {
			t.Fatal(err)
		}
		if want := sets[i].set.shape(); got.shape != want {
			t.Errorf("set %s is %+v, made as %+v", o.name, got.shape, want)
		}
		if got.counted && !sets[i].set.interval && got.count != 1 { // ends of ranges are counted in their own way
			t.Errorf("set %s has %d elements, want 1", o.name, got.count)
		}
	}

	b = newBatch("t")
	for _, c := range sets {
		b.deleteElements(c.set.name, all(entry{key: c.put.key, end: c.put.end, closing: c.put.closing}))
		b.deleteSet(c.set.name)
	}
	b.deleteChain("c")
	mustCommit(t, s, b)
	if left, err := s.dumpObjects(setObjects, "t"); err != nil || len(left) > 0 {
		t.Errorf("%d sets are left, error %v", len(left), err)
	}
}

func TestTheKernelHoldsEveryElement(t *testing.T) {
	s := openIn(t, testnet.New(t))
	b := newBatch("t")
	b.addTable(0)
	b.addSet(&set{name: "s", key: []datatype{typeNumber}, data: []datatype{typeAddress6, typePort}}, 1)
	var entries []entry
	for i := range 70000 {
		entries = append(entries, entry{key: host.AppendUint32(nil, uint32(i)), value: make([]byte, 20)})
	}
	b.addElements("s", slices.Values(entries))
	mustCommit(t, s, b)

	count := func() int {
		objects, err := s.dumpObjects(setObjects, "t")
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseSet(objects[0].body)
		if err != nil {
			t.Fatal(err)
		}
		if !got.counted {
			return len(read(t, s, "t", "s"))
		}
		return int(got.count)
	}
	if got := count(); got != len(entries) {
		t.Errorf("%d elements of %d", got, len(entries))
	}

	b = newBatch("t")
	b.deleteElements("s", slices.Values(entries[1:]))
	mustCommit(t, s, b)
	if left := count(); left != 1 {
		t.Errorf("%d elements are left, want 1", left)
	}
}

func TestARefusedBatchDoesNothing(t *testing.T) {
	s := openIn(t, testnet.New(t))
	b := newBatch("t")
	b.addTable(0)
	b.addSet(&set{name: "s", key: []datatype{typePort}}, 1)
	b.addElements("s", all(entry{key: []byte{0, 1}}))
	mustCommit(t, s, b)

	b = newBatch("t")
	b.addChain("c", nil)
	b.addElements("s", all(entry{key: []byte{0, 2}}, entry{key: []byte{0, 1}}))
	b.deleteChain("none")
	err := s.commit(b)
	refusal, ok := errors.AsType[*Error](err)
	if !ok || refusal.Errno != unix.EEXIST || refusal.Object != "s 0001" || refusal.More != 1 {
		t.Errorf("got %v (%#v), want the element that is there already, and one error more", err, refusal)
	}
	if chains, err := s.dumpObjects(chainObjects, "t"); err != nil || len(chains) != 0 {
		t.Errorf("%d chains, error %v; want none", len(chains), err)
	}
	if got := read(t, s, "t", "s"); len(got) != 1 {
		t.Errorf("the set has %d elements, want 1", len(got))
	}

	b = newBatch("t")
	b.addChain("c", nil)
	mustCommit(t, s, b) // what was left of the error does not count
}

func TestOfManyErrorsTheFirstIsReportedEvenIfSomeAreLost(t *testing.T) {
	s := openIn(t, testnet.New(t))
	if err := s.Restrict(0, 4096); err != nil {
		t.Fatal(err)
	}
	b := newBatch("t")
	b.addTable(0)
	for i := range 1000 {
		b.deleteChain(fmt.Sprint("none-", i))
	}
	refusal, ok := errors.AsType[*Error](s.commit(b))
	if !ok || refusal.Object != "none-0" || refusal.Errno != unix.ENOENT {
		t.Errorf("got %v", refusal)
	}
	if refusal.More >= 999 {
		t.Error("all errors fitted: this tests nothing")
	}
}

func TestASnapshotIsTakenAgainWhenRulesChange(t *testing.T) {
	n := testnet.New(t)
	s, other := openIn(t, n), openIn(t, n)
	s.patience = 50 * time.Millisecond
	for _, c := range []struct {
		name    string
		changes int // how many calls see a change
		want    int // calls; 0: as many as there is time for
		wantErr error
	}{
		{"nothing changes", 0, 1, nil},
		{"once", 1, 2, nil},
		{"all the time", 1 << 30, 0, errChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			_, err := s.snapshot(func() error {
				if calls++; calls > c.changes {
					return nil
				}
				b := newBatch(fmt.Sprint("another ", c.name, calls))
				b.addTable(0)
				return other.commit(b)
			})
			if !errors.Is(err, c.wantErr) || c.want > 0 && calls != c.want || calls < 1 {
				t.Errorf("%v after %d calls, want %v after %d", err, calls, c.wantErr, c.want)
			}
		})
	}
}

func TestAfterAFailedQuestionTheNextIsAnswered(t *testing.T) {
	s := openIn(t, testnet.New(t))
	b := newBatch("t")
	b.addTable(0)
	b.addSet(&set{name: "s", key: []datatype{typeNumber}}, 1)
	for i := range 5000 {
		b.addElements("s", all(entry{key: host.AppendUint32(nil, uint32(i))}))
	}
	mustCommit(t, s, b)
	enough := errors.New("enough")
	calls := 0
	if err := s.dumpElements("t", "s", func(entry) error { calls++; return enough }); !errors.Is(err, enough) || calls != 1 {
		t.Errorf("got %v after %d elements", err, calls)
	}
	if err := s.dumpElements("t", "none", func(entry) error { return nil }); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a set that is none: %v", err)
	}
	if got := len(read(t, s, "t", "s")); got < 4000 { // not all of them, while the kernel enlarges the hash table
		t.Errorf("then it has %d elements", got)
	}
}

func TestAnOwnedTableIsItsOwnersAlall(t *testing.T) {
	n := testnet.New(t)
	s, other := openIn(t, n), openIn(t, n)
	b := newBatch("t")
	b.addTable(tableOwner | tablePersist)
	b.addChain("c", nil)
	if err := s.commit(b); errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		t.Skip("needs Linux 6.9: tables that have an owner and outlive it")
	} else if err != nil {
		t.Fatal(err)
	}
	remove := func(s *socket) error {
		b := newBatch("t")
		b.deleteChain("c")
		return s.commit(b)
	}
	if err := remove(other); !errors.Is(err, ErrOwned) {
		t.Errorf("another's change: %v, want ErrOwned", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	takeOver := newBatch("t")
	takeOver.addTable(tableOwner | tablePersist)
	mustCommit(t, other, takeOver)
	if err := remove(other); err != nil {
		t.Errorf("after the owner has gone: %v", err)
	}
}
