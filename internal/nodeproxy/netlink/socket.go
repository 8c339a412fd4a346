package netlink

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	receiveBuffer  = 1 << 20 // the kernel's answers wait here
	longestMessage = 1 << 16 // what the kernel sends at once, lists included, has at most half of this
	socketOverhead = 32      // of its buffer, netlink keeps this for itself
)

var (
	// ErrTooLarge means that what is to be sent at once does not fit into the socket, whose buffer this process may not
	// enlarge (that takes CAP_NET_ADMIN over the user namespace that the network namespace belongs to). Nothing has
	// been sent.
	ErrTooLarge = errors.New("larger than the netlink socket takes at once")

	errNothing = errors.New("no more answers")
)

// Socket is a connection to a part of the kernel, in the network namespace that the thread that opened it was in. It is
// not safe for concurrent use.
//
// The kernel works while a request is being sent: when Send returns, the answers are there, and what is missing then will
// not come. So nothing here waits, and nothing can hang.
type Socket struct {
	fd      int
	header  int // how long a header each object of an answer has, which nobody reads
	buffer  []byte
	room    int  // the largest request that the socket takes
	growing bool // it may be made larger
}

// Open connects to netfilter.
func Open() (*Socket, error) { return open(unix.NETLINK_NETFILTER, FamilyHeader) }

// OpenSocketTables connects to what lists sockets (sock_diag(7)). Its objects are read in full by whoever asks.
func OpenSocketTables() (*Socket, error) { return open(unix.NETLINK_SOCK_DIAG, 0) }

func open(part, header int) (*Socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, part)
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	s := &Socket{fd: fd, header: header, buffer: make([]byte, longestMessage), growing: true}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("setting up a netlink socket: %w", err), s.Close())
	}
	return s, nil
}

func (s *Socket) prepare() error {
	if err := unix.Bind(s.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	// Errors in words (Linux 4.12), and without a copy of the request that they are about. An older kernel gives the
	// number alone.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	// Without the right to it the buffer stays as it is: some errors of many may then be lost, never all.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer)
	return s.measure()
}

// measure learns how large a request may be.
func (s *Socket) measure() error {
	size, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	s.room = size - socketOverhead
	return os.NewSyscallError("getsockopt", err)
}

// Restrict makes the socket's buffers for requests and for answers about as small as that, of which 0 leaves one as it is,
// and lets the former grow no more: as if the process had no right to larger ones (for tests).
func (s *Socket) Restrict(requests, answers int) error {
	s.growing = s.growing && requests == 0
	for option, size := range map[int]int{unix.SO_SNDBUF: requests, unix.SO_RCVBUF: answers} {
		if size == 0 {
			continue
		}
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, option, size); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return s.measure()
}

// Close leaves a socket that fails at everything: its number may soon be another file's.
func (s *Socket) Close() error {
	fd := s.fd
	s.fd = -1
	return os.NewSyscallError("close", unix.Close(fd))
}

// Send hands the kernel one or more messages at once, and makes the socket's buffer as large as that takes.
func (s *Socket) Send(wire []byte) error {
	if err := s.makeRoom(len(wire)); err != nil {
		return err
	}
	s.discard()
	for {
		err := unix.Sendto(s.fd, wire, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("sending %d bytes to the kernel: %w", len(wire), err)
		}
	}
}

func (s *Socket) makeRoom(size int) error {
	if size <= s.room {
		return nil
	}
	if s.growing {
		err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size) // the kernel doubles it
		if err == nil {
			err = s.measure()
		}
		s.growing = err == nil
	}
	if size > s.room {
		return fmt.Errorf("%w: %d of %d bytes", ErrTooLarge, size, s.room)
	}
	return nil
}

// discard drops answers that nobody has read: after an error there may be some.
func (s *Socket) discard() {
	var err error
	for err == nil || errors.Is(err, unix.ENOBUFS) {
		_, err = s.receive()
	}
}

// receive is the next that the kernel has sent: one or more messages, valid until the next call.
func (s *Socket) receive() ([]byte, error) {
	for {
		// With MSG_TRUNC n is the length before anything was cut off.
		n, from, err := unix.Recvfrom(s.fd, s.buffer, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		switch sender, _ := from.(*unix.SockaddrNetlink); {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return nil, errNothing
		case err != nil:
			return nil, os.NewSyscallError("recvfrom", err)
		case n > len(s.buffer):
			return nil, fmt.Errorf("a message of %d bytes from the kernel: %w", n, unix.EMSGSIZE)
		case sender != nil && sender.Pid == 0: // the kernel; another process may send to us too
			return s.buffer[:n], nil
		}
	}
}
