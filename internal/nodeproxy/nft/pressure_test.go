package nft

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// tiny is the smallest buffer for answers that the kernel gives a socket, whatever one asks for.
const tiny = 1

func TestATableIsReadAndChangedThroughTheSmallestBuffer(t *testing.T) {
	n := testnet.New(t)
	writer, k := openKernel(t, n), openKernel(t, n)
	want := NewTable(services(5000)...)
	mustRead(t, writer)
	if err := writer.Install(Rules{}, Change{Add: want.Elements()}); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil { // else the table is its own
		t.Fatal(err)
	}
	if err := k.socket.Restrict(0, tiny); err != nil {
		t.Fatal(err)
	}
	held := mustRead(t, k)
	if err := k.Install(Rules{}, Diff(held, want)); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(10) {
		if err := k.Apply(oneMore(i)); err != nil {
			t.Fatal(err)
		}
		want.Apply(oneMore(i))
	}
	// More refusals than there is room for: the first is told, and nothing is done.
	var again Change
	for i := range uint32(1000) {
		again.Add = append(again.Add, endpointsOf(i, 2)...)
	}
	if err := k.Apply(again); !errors.Is(err, unix.EEXIST) {
		t.Errorf("elements that are there are added: %v", err)
	}
	if c := Diff(mustRead(t, k), want); !c.Empty() {
		t.Errorf("%d elements are too much and %d lack", len(c.Delete), len(c.Add))
	}
}

func TestATableIsReadRightWhileOthersChangeTheirsAllTheTime(t *testing.T) {
	n := testnet.New(t)
	k, other := openKernel(t, n), openIn(t, n)
	want := NewTable(services(500)...)
	mustRead(t, k)
	if err := k.Install(Rules{}, Change{Add: want.Elements()}); err != nil {
		t.Fatal(err)
	}
	var changing sync.WaitGroup
	stop := make(chan struct{})
	changing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			b := newBatch(fmt.Sprint("theirs-", i%50))
			b.addTable(0)
			b.addChain(fmt.Sprint("c", i), nil)
			if err := other.commit(b); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 5 {
		held, err := k.Read()
		switch {
		case errors.Is(err, errChanged): // which is said after a while, and tried again by who asks
		case err != nil:
			t.Error(err)
		default:
			if c := Diff(held, want); !c.Empty() {
				t.Errorf("%d elements are too much and %d lack", len(c.Delete), len(c.Add))
			}
		}
	}
	close(stop)
	changing.Wait()
	if c := Diff(mustRead(t, k), want); !c.Empty() {
		t.Errorf("in the end %d elements are too much and %d lack", len(c.Delete), len(c.Add))
	}
}
