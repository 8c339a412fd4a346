package cluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// A cluster's state directory holds all it writes, and is how a later run knows what a killed one left:
//
//	lock      locked (flock) by the owner for as long as it lives
//	owned     a line for everything outside the directory that must be removed with it, written before or at its making
//	log/      output of each child
//	pki/ etcd/ kubeconfig ...
const (
	statePrefix = "portolan-cluster-"
	lockFile    = "lock"
	ownedFile   = "owned"
)

type state struct {
	dir  string
	lock *os.File

	mu sync.Mutex // serialises appends to the owned file
}

// newState makes a state directory and locks it.
func newState(parent string) (*state, error) {
	dir, err := os.MkdirTemp(parent, statePrefix)
	if err != nil {
		return nil, err
	}
	// The lock file appears under its name only when it is locked, so Reap never sees a live directory unlocked.
	path := filepath.Join(dir, lockFile)
	lock, err := os.OpenFile(path+".new", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, err
	}
	s := &state{dir: dir, lock: lock}
	return s, os.Mkdir(s.path("log"), 0o700)
}

func (s *state) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// remove deletes the directory and lets go of the lock.
func (s *state) remove() error {
	defer s.lock.Close()
	return os.RemoveAll(s.dir)
}

// recordProcess notes a child by its id and its start time, which together no later process shares.
func (s *state) recordProcess(pid int) error {
	start, err := startTime(pid)
	if err != nil {
		return err
	}
	return s.record("process", strconv.Itoa(pid), start)
}

// recordNetwork notes the name of the host's interface, which prefixes the name of every namespace, and the mark by
// which the interface is known to be ours.
func (s *state) recordNetwork(name string, mark uint32) error {
	return s.record("network", name, strconv.FormatUint(uint64(mark), 10))
}

func (s *state) record(fields ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(s.path(ownedFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, strings.Join(fields, " "))
	return err
}

// startTime is when a process started, in clock ticks since boot (proc_pid_stat(5), field 22).
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field, the name in parentheses, may hold anything, so count from its end.
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat is not understood", pid)
	}
	return fields[19], nil
}
