package conntrack

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

func TestWhatChangesWhileItIsReadIsReadAgain(t *testing.T) {
	for _, c := range []struct {
		name      string
		errs      []error // of one call after another; then none
		wantCalls int
		wantErr   error
	}{
		{"nothing changes", nil, 1, nil},
		{"it changes twice", []error{netlink.ErrChanged, netlink.ErrChanged}, 3, nil},
		{"it changes all the time", []error{netlink.ErrChanged, netlink.ErrChanged, netlink.ErrChanged, netlink.ErrChanged, netlink.ErrChanged}, attempts, netlink.ErrChanged},
		{"another error", []error{unix.ENOBUFS}, 1, unix.ENOBUFS},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			err := repeat(func() error {
				calls++
				if calls > len(c.errs) {
					return nil
				}
				return fmt.Errorf("listing: %w", c.errs[calls-1])
			})
			if calls != c.wantCalls || !errors.Is(err, c.wantErr) {
				t.Errorf("%d calls, error %v; want %d calls, error %v", calls, err, c.wantCalls, c.wantErr)
			}
		})
	}
}

func TestAnErrorSaysWhatFailed(t *testing.T) {
	table := openTable(t, testnet.New(t))
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Delete([]Flow{frontFlow("10.96.0.1:53")}); !errors.Is(err, unix.EBADF) {
		t.Errorf("got %v", err)
	}
	const want = "invalid argument (has the kernel its module nf_conntrack_netlink?)"
	if got := explain(unix.EINVAL); got.Error() != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEntriesThatHaveGoneAreNoError(t *testing.T) {
	table := openTable(t, testnet.New(t))
	var entries []made
	for n := range 3*sentTogether + 7 {
		e := udp("10.96.0.1:53", "10.0.0.1:53")
		e.client = frontendOf(n)
		entries = append(entries, e)
	}
	fill(t, table, entries...)
	var all removal
	mustAsk(t, table, query{unix.AF_INET, UDP, 0}, func(e *entry) { all.add(e) })
	table.flush(t)
	fill(t, table, entries[:len(entries)-sentTogether]...)
	if deleted, err := all.send(table.socket); err != nil || deleted.Total() > len(entries)-sentTogether {
		t.Errorf("%d of %d entries were deleted, error %v", deleted.Total(), len(entries)-sentTogether, err)
	}
}

func TestWhatIsDeletedIsCountedByProtocolAndFamily(t *testing.T) {
	table := openTable(t, testnet.New(t))
	fill(t, table, udp("10.96.0.1:53", "10.0.0.1:53"), udp("[fd00::1]:53", "[fd00::2]:53"), udp("[fd00::1]:54", "[fd00::3]:53"),
		tracked(SCTP, "10.96.0.1:53", "10.0.0.1:53"))
	got, err := table.Delete([]Flow{
		frontFlow("10.96.0.1:53"), frontFlow("[fd00::1]:53"), frontFlow("[fd00::1]:54"), frontOver(SCTP, "10.96.0.1:53"),
		frontFlow("10.96.0.2:53"),
	})
	want := Counts{{UDP, false}: 1, {UDP, true}: 2, {SCTP, false}: 1}
	if !maps.Equal(got, want) || err != nil {
		t.Errorf("got %v, error %v; want %v", got, err, want)
	}
}

func TestAnEntryWithoutATupleIsNotTakenForAllEntries(t *testing.T) {
	table := openTable(t, testnet.New(t))
	fill(t, table, udp("10.96.0.1:53", "10.0.0.1:53"))
	var r removal
	r.add(&entry{})
	if deleted, err := r.send(table.socket); err == nil || len(deleted) != 0 {
		t.Errorf("%v entries were deleted, error %v", deleted, err)
	}
	if left := len(table.entries(t, UDP)); left != 1 {
		t.Errorf("%d entries are left", left)
	}
}

func TestWithoutTheRightToDeleteThereIsAnError(t *testing.T) {
	n := testnet.New(t)
	table := openTable(t, n)
	fill(t, table, udp("10.96.0.1:53", "10.0.0.1:53"))
	err := n.Do(func() error { // on a thread that ends with its rights
		if err := dropAllRights(); err != nil {
			return err
		}
		powerless, err := Open()
		if err != nil {
			return err
		}
		defer powerless.Close()
		if deleted, err := powerless.Delete([]Flow{frontFlow("10.96.0.1:53")}); !errors.Is(err, unix.EPERM) || len(deleted) != 0 {
			t.Errorf("%v entries were deleted, error %v", deleted, err)
		} else {
			t.Log(err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dropAllRights takes from the calling thread what root may do.
func dropAllRights() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}
