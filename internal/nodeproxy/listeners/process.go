package listeners

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Process has a socket.
type Process struct {
	// Name is the kernel's for it, of at most 15 characters; what cannot be printed is left out.
	Name string
	// Own: it is this process.
	Own bool
}

// Processes looks processes up below a directory, "/proc" but in tests.
type Processes string

// Of finds who has sockets, by their inodes. Of those that several have it is the process of the lowest number, which is
// mostly the others' parent. It leaves out what it cannot find: processes of other PID namespaces, and without
// CAP_SYS_PTRACE those that have rights which this process has not. It goes through all files that all processes have
// open, until it has found everybody.
func (p Processes) Of(inodes map[uint32]bool) map[uint32]Process {
	found := make(map[uint32]Process)
	own, _ := os.Readlink(filepath.Join(string(p), "self"))
	for _, pid := range p.numbers() {
		if len(found) == len(inodes) {
			break
		}
		var process *Process // read when it is needed
		for inode := range p.sockets(pid) {
			if _, already := found[inode]; already || !inodes[inode] {
				continue
			}
			if process == nil {
				process = &Process{Name: p.name(pid), Own: strconv.Itoa(pid) == own}
			}
			found[inode] = *process
		}
	}
	return found
}

// numbers are those of all processes, ascending.
func (p Processes) numbers() []int {
	var pids []int
	for _, name := range names(string(p)) {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// sockets are the inodes of those that a process has open.
func (p Processes) sockets(pid int) map[uint32]bool {
	inodes := make(map[uint32]bool)
	files := filepath.Join(string(p), strconv.Itoa(pid), "fd")
	for _, name := range names(files) {
		link, err := os.Readlink(filepath.Join(files, name))
		if err != nil {
			continue // closed meanwhile
		}
		text, isSocket := strings.CutPrefix(link, "socket:[")
		inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 32)
		if isSocket && err == nil {
			inodes[uint32(inode)] = true
		}
	}
	return inodes
}

func (p Processes) name(pid int) string {
	text, err := os.ReadFile(filepath.Join(string(p), strconv.Itoa(pid), "comm"))
	if err != nil {
		return ""
	}
	return strings.Map(func(r rune) rune { // anybody can give a process any name
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, string(text))
}

// names are those of what is in a directory; none, where it cannot be read.
func names(path string) []string {
	directory, err := os.Open(path) //nolint:gosec // a directory of /proc, below a root that only tests change
	if err != nil {
		return nil
	}
	defer directory.Close()
	all, _ := directory.Readdirnames(-1) // what was read before an error is good
	return all
}
