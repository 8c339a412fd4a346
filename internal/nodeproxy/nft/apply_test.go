package nft

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// withoutLargeBuffers is a Kernel of a process that may not enlarge its socket's buffer.
func withoutLargeBuffers(t *testing.T) *Kernel {
	t.Helper()
	k := openKernel(t, testnet.New(t))
	if err := k.socket.Restrict(16<<10, 0); err != nil {
		t.Fatal(err)
	}
	mustRead(t, k)
	return k
}

func TestWithoutLargeBuffersChangesAreDoneInParts(t *testing.T) {
	k := withoutLargeBuffers(t)
	if err := k.Install(Rules{}); err != nil {
		t.Fatal(err)
	}
	const count = 2000
	elements, want := services(count), Table{}
	var additions, enlargements []Change
	for i := range uint32(count) {
		additions = append(additions, Change{Add: elements[4*i : 4*i+4]})
		enlargements = append(enlargements, oneMore(i))
	}
	for _, changes := range [][]Change{additions, enlargements} {
		if err := k.Apply(changes...); err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			want.Apply(c)
		}
		if c := Diff(mustRead(t, k), want); !c.Empty() {
			t.Errorf("%d elements too much, %d too little", len(c.Delete), len(c.Add))
		}
	}
}

func TestWithoutLargeBuffersAnyTableIsMended(t *testing.T) {
	k := withoutLargeBuffers(t)
	want := NewTable(append(services(3000), everything().Elements()...)...)
	for _, want := range []Table{want, everything(), want, {}} {
		if err := k.Install(Rules{}, Diff(mustRead(t, k), want)); err != nil {
			t.Fatal(err)
		}
		if c := Diff(mustRead(t, k), want); !c.Empty() {
			t.Errorf("%d elements too much, %d too little", len(c.Delete), len(c.Add))
		}
	}
}

func TestWhatFitsInNoWayIsTooLarge(t *testing.T) {
	k := withoutLargeBuffers(t)
	if err := k.Install(Rules{}); err != nil {
		t.Fatal(err)
	}
	var ranges []Element // which have to be there all at once
	for i := range 1000 {
		ranges = append(ranges, Pods(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i)}), 25)))
	}
	large := Change{Add: ranges}
	if err := k.Apply(large); !errors.Is(err, ErrTooLarge) {
		t.Errorf("alone: %v, want ErrTooLarge", err)
	}
	small := Change{Add: []Element{ClusterIP(netip.MustParseAddr("fd00::1"))}}
	if err := k.Apply(large, small); !errors.Is(err, ErrTooLarge) {
		t.Errorf("first: %v, want ErrTooLarge", err)
	}
	if err := k.Apply(); err != nil {
		t.Errorf("though nothing has been done: %v", err)
	}
	if err := k.Apply(small, large); !errors.Is(err, ErrDoubt) || errors.Is(err, ErrTooLarge) {
		t.Errorf("second: %v, want ErrDoubt", err)
	}
	if have := mustRead(t, k); len(have) != 1 {
		t.Errorf("%d elements, want the one", len(have))
	}
}

func TestATableOutlivesAnyNumberOfActions(t *testing.T) {
	k := openKernel(t, testnet.New(t))
	mustRead(t, k)
	if err := k.Install(Rules{}); err != nil {
		t.Fatal(err)
	}
	for n := freeCode + 8; n <= lastFree; n++ { // as if they were given out and in use
		taken := Stick(60000, time.Duration(n)*time.Second)
		k.codes.action[n], k.codes.code[taken], k.codes.uses[taken] = taken, n, 1
	}
	address := netip.MustParseAddr("10.96.0.1")
	frontend := func(i int, a Action) Element { return ServiceFrontend(address, TCP, uint16(i), Word{a, 1}) }
	chains := countObjects(t, k.socket, chainObjects)

	var live []Element
	for i := range 40 { // one after another, of which five stay
		e := frontend(i, Stick(i+1, time.Hour))
		c := Change{Add: []Element{e}}
		if live = append(live, e); len(live) > 5 {
			c.Delete, live = live[:1], live[1:]
		}
		if err := k.Apply(c); err != nil {
			t.Fatalf("action %d: %v", i, err)
		}
		if got := countObjects(t, k.socket, chainObjects); got > chains+8 {
			t.Fatalf("action %d: %d chains, at first %d", i, got, chains)
		}
	}
	for i := range 10 { // more at a time than there are codes
		live = append(live, frontend(100+i, Stick(100+i, time.Hour)))
	}
	if err := k.Apply(Change{Add: live[5:]}); err != nil {
		t.Fatal(err)
	}
	have := mustRead(t, k)
	if len(have) != len(live) {
		t.Errorf("%d elements, want %d", len(have), len(live))
	}
	for _, e := range live[:5] {
		if have[e.Key] != e.Value {
			t.Errorf("%s has become %s", e, Element{e.Key, have[e.Key]})
		}
	}
	for key, v := range have {
		if v.word.Action.kind != stickKind {
			t.Errorf("%s means nothing", Element{key, v})
		}
	}
}
