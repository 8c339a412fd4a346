package main

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// knock connects over TCP from the namespace of the calling thread, and resets the connection. The answer is the other
// kernel's: nil where somebody listens, unix.ECONNREFUSED where nobody does; unix.ETIMEDOUT where nothing is said.
func knock(to netip.AddrPort, timeout time.Duration) error {
	fd, address, err := tcpSocket(to)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// By a reset nothing is left of it here, however often one knocks.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if err := unix.Connect(fd, address); err != unix.EINPROGRESS {
		return err
	}
	return awaitConnected(fd, time.Now().Add(timeout))
}

func tcpSocket(to netip.AddrPort) (int, unix.Sockaddr, error) {
	family, address := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())})
	if to.Addr().Is4() {
		family, address = unix.AF_INET, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return fd, address, err
}

func awaitConnected(fd int, until time.Time) error {
	for {
		left := unix.NsecToTimespec(max(0, time.Until(until).Nanoseconds()))
		n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, &left, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		default:
			return socketError(fd)
		}
	}
}

func socketError(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return err
}

// awaitKnock knocks from the namespace of the calling thread until the answer is as wanted, and returns when the knock
// that was answered so began. That is late by no more than a fiftieth of the time since started, or some milliseconds.
func awaitKnock(ctx context.Context, to netip.AddrPort, want error, started time.Time) (time.Time, error) {
	for {
		patience := min(max(time.Since(started)/50, 5*time.Millisecond), 200*time.Millisecond)
		began := time.Now()
		err := knock(to, patience)
		if errors.Is(err, want) {
			return began, nil
		}
		if ctx.Err() != nil {
			return began, context.Cause(ctx)
		}
		// It may be answered at once, but not as wanted: leave the processor to the proxy.
		if wait := max(time.Since(started)/200, 100*time.Microsecond); time.Since(began) < wait {
			time.Sleep(wait)
		}
	}
}
