package ephemeral

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// node is a namespace with these settings, the kernel's own.
type node struct {
	*testing.T
	*testnet.Namespace
	reserver *Reserver
}

func newNode(t *testing.T, ports, reserved string) *node {
	n := &node{t, testnet.New(t), NewReserver("/")}
	n.Sysctl("ipv4/"+rangeName, ports)
	n.Sysctl("ipv4/"+reservedName, reserved)
	return n
}

func (n *node) read() Settings {
	n.Helper()
	var s Settings
	err := n.Do(func() (err error) {
		s, err = Read("/")
		return err
	})
	if err != nil {
		n.Fatal(err)
	}
	return s
}

func (n *node) reserve(numbers ...int32) {
	n.Helper()
	if err := n.Do(func() error { return n.reserver.Reserve(numbers...) }); err != nil {
		n.Fatal(err)
	}
}

func (n *node) wantReserved(want string) {
	n.Helper()
	if got := n.read().Reserved.Text(); got != want {
		n.Errorf("reserved are %q, want %q", got, want)
	}
}

func TestTheKernelChoosesWhatIsInItsRangeAndNotReserved(t *testing.T) {
	s := newNode(t, "30100 60999", "8080,30200-30299").read()
	if got := s.Range.String(); got != "30100-60999" {
		t.Errorf("the range is %s", got)
	}
	for n, want := range map[int32]bool{8080: false, 30099: false, 30100: true, 30199: true, 30200: false, 30299: false, 30300: true, 60999: true, 61000: false} {
		if got := s.Chooses(n); got != want {
			t.Errorf("%d: %t, want %t", n, got, want)
		}
	}
}

func TestReservingLeavesWhatOthersHaveReserved(t *testing.T) {
	n := newNode(t, "1024 60999", "8080,30200-30201")
	n.reserve(30201, 30080, 30443)
	n.wantReserved("8080,30080,30200-30201,30443")

	n.Sysctl("ipv4/"+reservedName, "8080,9090,30080,30200-30201,30443") // another adds to it
	n.reserve(30443)
	n.wantReserved("8080,9090,30200-30201,30443")

	n.reserve()
	n.wantReserved("8080,9090,30200-30201")
}

func TestWhatAnotherHasTakenOutIsReservedAnew(t *testing.T) {
	n := newNode(t, "1024 60999", "")
	n.reserve(30080)
	n.Sysctl("ipv4/"+reservedName, "8080")
	n.reserve(30080)
	n.wantReserved("8080,30080")
}

func TestWhatTheKernelWouldNotChooseNeedNotBeReserved(t *testing.T) {
	n := newNode(t, "32768 60999", "8080")
	n.reserve(30080, 32768)
	n.wantReserved("8080,32768")
	if own := n.reserver.own; len(own) != 1 || !own[32768] {
		t.Errorf("its own are %v", own)
	}
}

func TestMoreIsReservedThanThePageThatTheKernelTakesAtOnce(t *testing.T) {
	n := newNode(t, "1024 60999", "8080")
	var numbers []int32
	for number := int32(30000); number <= 32767; number += 2 {
		numbers = append(numbers, number)
	}
	n.reserve(numbers...)
	got := n.read()
	for number := int32(30000); number <= 32767; number++ {
		if want := number%2 == 0; got.Reserved.Has(number) != want {
			t.Fatalf("%d is reserved: %t", number, !want)
		}
	}
	if size := len(got.Reserved.Text()); size < 2*os.Getpagesize() {
		t.Errorf("%d bytes are too few for this test", size)
	}
	n.reserve()
	n.wantReserved("8080")
}

// directory is a root directory in which the settings are files.
func directory(t *testing.T, ports, reserved string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{rangeName: ports, reservedName: reserved} {
		if err := os.MkdirAll(filepath.Dir(path(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestSettingsThatCannotBeReadAreSaidToBe(t *testing.T) {
	for name, root := range map[string]string{
		"none":                   t.TempDir(),
		"half a range":           directory(t, "32768\n", "\n"),
		"no numbers":             directory(t, "a b\n", "\n"),
		"no list":                directory(t, "1024\t60999\n", "a\n"),
		"a number of no port":    directory(t, "1024\t70000\n", "\n"),
		"a list of no such port": directory(t, "1024\t60999\n", "70000\n"),
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := Read(root); err == nil || !strings.Contains(err.Error(), "net.ipv4.ip_local_") {
				t.Errorf("got %+v, error %v", s, err)
			}
		})
	}
}

// readOnly makes /proc/sys read-only for the calling thread, as containers mostly have it.
func readOnly() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	for _, m := range []struct {
		from, to string
		flags    uintptr
	}{
		{"", "/", unix.MS_REC | unix.MS_PRIVATE},
		{"/proc/sys", "/proc/sys", unix.MS_BIND},
		{"", "/proc/sys", unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY},
	} {
		if err := unix.Mount(m.from, m.to, "", m.flags, ""); err != nil {
			return err
		}
	}
	return nil
}

func TestWithoutTheRightToWriteTheErrorSaysWhatToDo(t *testing.T) {
	n := newNode(t, "1024 60999", "8080")
	err := n.Do(func() error { // on a thread that ends with it
		if err := readOnly(); err != nil {
			return err
		}
		err := n.reserver.Reserve(30080)
		if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), "net.ipv4.ip_local_reserved_ports=30000-32767") {
			t.Errorf("got %v", err)
		}
		if own := n.reserver.own; len(own) > 0 {
			t.Errorf("it holds %v to be reserved", own)
		}
		return n.reserver.Reserve(8080) // nothing need be written
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPortZeroMayBeReserved(t *testing.T) {
	n := newNode(t, "1024 60999", "0-1023,8080")
	n.reserve(30080)
	n.wantReserved("1-1023,8080,30080")

	n = newNode(t, "1024 60999", "0,8080")
	n.reserve(30080)
	n.wantReserved("8080,30080")
}
