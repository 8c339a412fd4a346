package cluster

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"golang.org/x/sys/unix"
)

// StartConfined is Start with the rights of a container that has these capabilities and no others, and no way to get
// more: it is root that it runs as, but root without the rest.
func (m *Machine) StartConfined(cmd *exec.Cmd, capabilities ...uintptr) (*Process, error) {
	// A thread of its own: what it gives up, it gives up for good, and for the children that it forks.
	confined, err := newThread(func() error { return errors.Join(m.enter(), GiveUpAllBut(capabilities...)) })
	if err != nil {
		return nil, err
	}
	p, err := m.startOn(confined, cmd)
	if err != nil {
		confined.close()
		return nil, err
	}
	go func() {
		<-p.Done()
		confined.close()
	}()
	return p, nil
}

// GiveUpAllBut bounds what the calling thread's children can have to these capabilities (capabilities(7), no_new_privs in
// prctl(2)). The thread must be the caller's own, as there is no way back.
func GiveUpAllBut(capabilities ...uintptr) error {
	for c := uintptr(0); ; c++ {
		if slices.Contains(capabilities, c) {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) { // the kernel has no more
			break
		}
		if err != nil {
			return fmt.Errorf("giving up capability %d: %w", c, err)
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
