package conntrack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Settings are the limits of connection tracking that kube-proxy sets, with the meaning that they have there
// (KubeProxyConntrackConfiguration, and pkg/proxy/conntrack/sysctls.go). What is 0 or
// false is left as it is.
type Settings struct {
	// MaxPerCore is how many entries the kernel takes for each CPU of the machine; with it there are at least Min, and
	// more than 1,048,576 only if Min says so. Min alone does nothing.
	MaxPerCore, Min int
	// How long an entry lives without packets, in whole seconds; part of one counts as one.
	TCPEstablished, TCPCloseWait time.Duration
	UDP, UDPStream               time.Duration // before, and after packets have come from both sides a while
	// TCPBeLiberal has packets outside of a connection's window taken for its own, all but resets. What the kernel does
	// not take for a connection's own it does not translate, and an answer that leaves with a pod's address is lost; see
	// https://kubernetes.io/blog/2019/03/29/kube-proxy-subtleties-debugging-an-intermittent-connection-reset/.
	TCPBeLiberal bool
}

const (
	largestScaled    = 1 << 20
	entriesPerBucket = 4 // of the kernel's hash table
)

// sysctl is a value below /proc/sys/net/netfilter.
type sysctl struct {
	name    string
	value   int
	atLeast bool // more is left
}

// Apply sets what is not set yet, below a root directory, "/" but in tests. The limit of entries it lowers too. An error
// says what could not be set; the rest is. The kernel must track connections already, as it does from when the node's
// table is there, and the limit of entries can be set in the machine's own network namespace alone.
func (s Settings) Apply(root string) error {
	var errs []error
	for _, c := range s.sysctls(cores(root)) {
		errs = append(errs, c.apply(root))
	}
	return errors.Join(errs...)
}

func (s Settings) sysctls(cores int) []sysctl {
	var all []sysctl
	if s.MaxPerCore > 0 {
		limit := max(min(s.MaxPerCore*cores, largestScaled), s.Min)
		all = append(all,
			sysctl{name: "nf_conntrack_max", value: limit},
			sysctl{name: "nf_conntrack_buckets", value: limit / entriesPerBucket, atLeast: true})
	}
	for _, t := range []struct {
		name  string
		after time.Duration
	}{
		{"nf_conntrack_tcp_timeout_established", s.TCPEstablished},
		{"nf_conntrack_tcp_timeout_close_wait", s.TCPCloseWait},
		{"nf_conntrack_udp_timeout", s.UDP},
		{"nf_conntrack_udp_timeout_stream", s.UDPStream},
	} {
		if t.after > 0 {
			all = append(all, sysctl{name: t.name, value: int((t.after + time.Second - 1) / time.Second)})
		}
	}
	if s.TCPBeLiberal {
		all = append(all, sysctl{name: "nf_conntrack_tcp_be_liberal", value: 1})
	}
	return all
}

func (c sysctl) apply(root string) error {
	path := filepath.Join(root, "proc/sys/net/netfilter", c.name)
	has, err := readNumber(path)
	if err != nil {
		return fmt.Errorf("reading net.netfilter.%s: %w", c.name, err)
	}
	if has == c.value || c.atLeast && has > c.value {
		return nil
	}
	return c.explain(has, os.WriteFile(path, []byte(strconv.Itoa(c.value)), 0o644)) //nolint:gosec // a file of the kernel, which has its mode
}

// explain says what to do about an error.
func (c sysctl) explain(has int, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("net.netfilter.%s stays at %d: %w", c.name, has, err)
	if errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w; set it on the node itself (sysctl -w net.netfilter.%s=%d), or let the container write to /proc/sys", err, c.name, c.value)
	}
	return err
}

func readNumber(path string) (int, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a path of the kernel, below a root that only tests change
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// cores are the CPUs of the machine. The runtime knows only those that this process may use, which may be fewer
// (https://github.com/kubernetes/kubernetes/issues/99225).
func cores(root string) int {
	text, err := os.ReadFile(filepath.Join(root, "sys/devices/system/cpu/online")) //nolint:gosec // a path of the kernel, below a root that only tests change
	if n, ok := countRanges(strings.TrimSpace(string(text))); err == nil && ok {
		return n
	}
	return runtime.NumCPU()
}

// countRanges counts the numbers of a list such as "0-3,8", of which none is above 65535.
func countRanges(text string) (n int, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.ParseUint(first, 10, 16)
		to, errTo := strconv.ParseUint(last, 10, 16)
		if errFrom != nil || errTo != nil || from > to {
			return 0, false
		}
		n += int(to-from) + 1
	}
	return n, true
}
