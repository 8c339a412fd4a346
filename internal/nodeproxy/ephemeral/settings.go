// Package ephemeral knows from which ports the kernel chooses one for an outgoing connection of the node itself, and keeps
// numbers out of that.
//
// A node port that is chosen is not lost: what comes to it from outside is translated before the node looks for a socket.
// But the connection is, where its answers are taken for packets to the node port, and whoever wants to listen at the
// number cannot.
package ephemeral

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/bitmap"
)

// Below /proc/sys/net/ipv4; they are for IPv6, too. The files show the network namespace of the thread that opens them.
const (
	rangeName    = "ip_local_port_range"
	reservedName = "ip_local_reserved_ports"
)

// longestText is longer than any list of ports, and shortText than mostly. A list must be read at once: the kernel answers
// the first read of a file with as much as fits, and the next with nothing.
const (
	longestText = 1 << 19
	shortText   = 1 << 12
)

// Range is the first and the last port that the kernel chooses from.
type Range struct{ From, To uint16 }

func (r Range) String() string { return fmt.Sprintf("%d-%d", r.From, r.To) }

// Contains says whether a number is in the range.
func (r Range) Contains(n int32) bool { return int32(r.From) <= n && n <= int32(r.To) }

// Settings are the kernel's at one moment.
type Settings struct {
	Range Range
	// Reserved are the ports that it does not choose, whether or not they are in the range.
	Reserved *bitmap.Set
}

// Read reads the settings below a root directory, "/" but in tests.
func Read(root string) (Settings, error) {
	var s Settings
	text, err := read(root, rangeName)
	if err != nil {
		return s, err
	}
	if s.Range, err = parseRange(text); err != nil {
		return s, fmt.Errorf("net.ipv4.%s: %w", rangeName, err)
	}
	if text, err = read(root, reservedName); err != nil {
		return s, err
	}
	if s.Reserved, err = parseReserved(text); err != nil {
		return s, fmt.Errorf("net.ipv4.%s: %w", reservedName, err)
	}
	return s, nil
}

// Chooses says whether the kernel may choose a number.
func (s Settings) Chooses(n int32) bool { return s.Range.Contains(n) && !s.Reserved.Has(n) }

func parseRange(text string) (Range, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return Range{}, fmt.Errorf("%q is no range", text)
	}
	from, errFrom := strconv.ParseUint(fields[0], 10, 16)
	to, errTo := strconv.ParseUint(fields[1], 10, 16)
	return Range{uint16(from), uint16(to)}, errors.Join(errFrom, errTo)
}

// parseReserved reads a list of ports, which may begin with 0: the kernel lets one reserve it, though it never chooses it.
// It is left out.
func parseReserved(text string) (*bitmap.Set, error) {
	if rest, found := strings.CutPrefix(text, "0-"); found {
		return bitmap.Parse("1-" + rest)
	}
	first, rest, _ := strings.Cut(text, ",")
	if first == "0" {
		text = rest
	}
	return bitmap.Parse(text)
}

func path(root, name string) string { return filepath.Join(root, "proc/sys/net/ipv4", name) }

func read(root, name string) (string, error) {
	text, err := readOnce(path(root, name), shortText)
	if err == nil && len(text) == shortText {
		text, err = readOnce(path(root, name), longestText)
	}
	if err != nil {
		return "", fmt.Errorf("reading net.ipv4.%s: %w", name, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// readOnce is what a file says to one read of at most so many bytes.
func readOnce(path string, most int) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // a path of the kernel, below a root that only tests change
	if err != nil {
		return nil, err
	}
	defer file.Close()
	buffer := make([]byte, most)
	n, err := file.Read(buffer)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return buffer[:n], err
}

// write sets the list of reserved ports.
func write(root, text string) error {
	err := os.WriteFile(path(root, reservedName), []byte(text+"\n"), 0o644) //nolint:gosec // a file of the kernel, which has its mode
	if err == nil {
		return nil
	}
	err = fmt.Errorf("net.ipv4.%s stays as it is: %w", reservedName, err)
	if errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w; let the container write to /proc/sys, or have the node itself reserve the node port range, besides what it reserves already (net.ipv4.%s=30000-32767)", err, reservedName)
	}
	return err
}
