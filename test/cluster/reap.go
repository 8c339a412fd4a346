package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Reap removes what clusters under dir left behind whose owner was killed: processes, namespaces, the host's interface
// and the state directory. Clusters that are in use, by this process or another, are left alone. Start calls it.
func Reap(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, statePrefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range found {
		if err := reapOne(path); err != nil {
			errs = append(errs, fmt.Errorf("reaping %s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

func reapOne(dir string) error {
	if !isOurs(dir) {
		return nil
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return reapUnlocked(dir)
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil // its owner, or another Reap, is at work
	}
	owned, err := os.ReadFile(filepath.Join(dir, ownedFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := removeOwned(strings.Split(string(owned), "\n")); err != nil {
		return err // the directory stays, so that a later Reap can try again
	}
	return os.RemoveAll(dir)
}

// isOurs says whether this user made the directory. What another user wrote there is not to be acted on.
func isOurs(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Geteuid()
}

// reapUnlocked removes a directory whose owner died before it made the lock; a young one may be in the making.
func reapUnlocked(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || time.Since(info.ModTime()) < time.Minute {
		return nil
	}
	return os.RemoveAll(dir)
}

// removeOwned removes processes first: they hold namespaces.
func removeOwned(lines []string) error {
	var errs []error
	for _, kind := range []string{"process", "network"} {
		for _, line := range lines {
			fields := strings.Fields(line)
			if len(fields) != 3 || fields[0] != kind {
				continue
			}
			switch kind {
			case "process":
				errs = append(errs, reapProcess(fields[1], fields[2]))
			case "network":
				errs = append(errs, reapNetwork(fields[1], fields[2]))
			}
		}
	}
	return errors.Join(errs...)
}

func reapProcess(pid, start string) error {
	id, err := strconv.Atoi(pid)
	if err != nil {
		return err
	}
	same := func() bool {
		now, err := startTime(id)
		return err == nil && now == start
	}
	if !same() {
		return nil
	}
	if err := syscall.Kill(id, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	for deadline := time.Now().Add(5 * time.Second); same() && !zombie(id); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not end", id)
		}
	}
	return nil
}

// zombie says that a process has ended and only waits for its parent to notice.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
