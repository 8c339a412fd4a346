package conntrack

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// machine is a root directory with the sysctls, all "7", and CPUs.
func machine(t *testing.T, cpus string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{"sys/devices/system/cpu/online": cpus}
	for _, s := range (Settings{1, 1, 1, 1, 1, 1, true}).sysctls(1) {
		files[filepath.Join("proc/sys/net/netfilter", s.name)] = "7"
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// changed are the sysctls that are not "7".
func changed(t *testing.T, root string) map[string]int {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "proc/sys/net/netfilter/*"))
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]int)
	for _, p := range paths {
		value, err := readNumber(p)
		if err != nil {
			t.Fatal(err)
		}
		if value != 7 {
			values[strings.TrimPrefix(filepath.Base(p), "nf_conntrack_")] = value
		}
	}
	return values
}

func TestSettingsAreAppliedAsKubeProxyDoes(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings Settings
		cpus     string
		want     map[string]int
	}{
		{"nothing", Settings{}, "0-3", map[string]int{}},
		{"entries for each CPU", Settings{MaxPerCore: 32768}, "0-3,8-11", map[string]int{"max": 262144, "buckets": 65536}},
		{"at least so many entries", Settings{MaxPerCore: 32768, Min: 131072}, "0", map[string]int{"max": 131072, "buckets": 32768}},
		{"a minimum alone", Settings{Min: 131072}, "0-3", map[string]int{}},
		{"on a large machine", Settings{MaxPerCore: 32768}, "0-127", map[string]int{"max": 1048576, "buckets": 262144}},
		{"a minimum above that", Settings{MaxPerCore: 32768, Min: 2000000}, "0-127", map[string]int{"max": 2000000, "buckets": 500000}},
		{"more buckets than are needed", Settings{MaxPerCore: 6}, "0", map[string]int{"max": 6}},
		{"timeouts", Settings{TCPEstablished: 24 * time.Hour, TCPCloseWait: time.Hour, UDP: 45 * time.Second, UDPStream: 90 * time.Second}, "0",
			map[string]int{"tcp_timeout_established": 86400, "tcp_timeout_close_wait": 3600, "udp_timeout": 45, "udp_timeout_stream": 90}},
		{"TCP outside of its window", Settings{TCPBeLiberal: true}, "0", map[string]int{"tcp_be_liberal": 1}},
		{"less than a second", Settings{UDP: time.Millisecond}, "0", map[string]int{"udp_timeout": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := machine(t, c.cpus)
			if err := c.settings.Apply(root); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, changed(t, root)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestASettingThatCannotBeMadeKeepsNoOtherBack(t *testing.T) {
	root := machine(t, "0")
	if err := os.Remove(filepath.Join(root, "proc/sys/net/netfilter/nf_conntrack_udp_timeout")); err != nil {
		t.Fatal(err)
	}
	err := Settings{UDP: time.Minute, UDPStream: time.Hour}.Apply(root)
	if err == nil || !strings.Contains(err.Error(), "net.netfilter.nf_conntrack_udp_timeout:") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(map[string]int{"udp_timeout_stream": 3600}, changed(t, root)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWithoutTheRightToASettingTheErrorSaysWhatToDo(t *testing.T) {
	c := sysctl{name: "nf_conntrack_max", value: 131072}
	for _, cause := range []error{unix.EROFS, unix.EACCES, unix.EPERM} {
		got := c.explain(65536, &fs.PathError{Op: "open", Path: "/proc/sys/net/netfilter/nf_conntrack_max", Err: cause})
		want := fmt.Sprintf("net.netfilter.nf_conntrack_max stays at 65536: open /proc/sys/net/netfilter/nf_conntrack_max: %v; "+
			"set it on the node itself (sysctl -w net.netfilter.nf_conntrack_max=131072), or let the container write to /proc/sys", cause)
		if diff := cmp.Diff(want, got.Error()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestTheCPUsOfTheMachineAreCounted(t *testing.T) {
	for text, want := range map[string]int{"0": 1, "0-3": 4, "0-3,8,10-11": 7} {
		if got := cores(machine(t, text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	for _, text := range []string{"", "x", "3-0", "0-", "0,,1"} {
		if n, ok := countRanges(text); ok {
			t.Errorf("%q: %d", text, n)
		}
	}
}

func TestTheKernelTakesTheSettings(t *testing.T) {
	n := testnet.New(t)
	openTable(t, n)
	want := Settings{TCPEstablished: 7 * time.Hour, TCPCloseWait: 7 * time.Minute, UDP: 17 * time.Second, UDPStream: 77 * time.Second, TCPBeLiberal: true}
	err := n.Do(func() error { // /proc/sys/net shows the namespace of the thread
		if err := want.Apply("/"); err != nil {
			return err
		}
		for _, s := range want.sysctls(1) {
			got, err := readNumber(filepath.Join("/proc/sys/net/netfilter", s.name))
			if err != nil || got != s.value {
				t.Errorf("%s is %d, error %v; want %d", s.name, got, err, s.value)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzCPUsAreCounted reads whatever a file of the kernel may say: there is one CPU at least, and no more than ranges of such
// numbers can have.
func FuzzCPUsAreCounted(f *testing.F) {
	for _, seed := range []string{"0", "0-3,8", "", "3-0", "0-", "-1", "0,,1", "0-9223372036854775807", "0-4294967295"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, ok := countRanges(text); ok && (n < 1 || n > (1+strings.Count(text, ","))<<16) {
			t.Errorf("%q: %d CPUs", text, n)
		}
	})
}
