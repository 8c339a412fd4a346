package nft

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	receiveBuffer  = 1 << 20 // the kernel's answers wait here
	longestMessage = 1 << 16 // what the kernel sends at once, dumps included, has at most half of this
	socketOverhead = 32      // of its buffer, netlink keeps this for itself
)

// socket is a netlink connection to nf_tables of the network namespace that the thread that opened it was in. It is not
// safe for concurrent use.
//
// nf_tables works while a request is being sent: when send returns, the answers are there, and what is missing then
// will not come. So nothing here waits, and nothing can hang.
type socket struct {
	fd      int
	buffer  []byte
	room    int  // the largest request that the socket takes
	growing bool // it may be made larger
	// patience is for how long a snapshot is tried.
	patience time.Duration
}

var errNothing = errors.New("no more answers")

func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("opening a socket to nf_tables: %w", err)
	}
	s := &socket{fd: fd, buffer: make([]byte, longestMessage), growing: true, patience: snapshotPatience}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("setting up a socket to nf_tables: %w", err), s.close())
	}
	return s, nil
}

func (s *socket) prepare() error {
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
func (s *socket) measure() error {
	size, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	s.room = size - socketOverhead
	return os.NewSyscallError("getsockopt", err)
}

// close leaves a socket that fails at everything: its number may soon be another file's.
func (s *socket) close() error {
	fd := s.fd
	s.fd = -1
	return os.NewSyscallError("close", unix.Close(fd))
}

// send hands the kernel one or more messages at once, and makes the socket's buffer as large as that takes.
func (s *socket) send(wire []byte) error {
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
			return fmt.Errorf("sending %d bytes to nf_tables: %w", len(wire), err)
		}
	}
}

func (s *socket) makeRoom(size int) error {
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
func (s *socket) discard() {
	var err error
	for err == nil || errors.Is(err, unix.ENOBUFS) {
		_, err = s.receive()
	}
}

// receive is the next that the kernel has sent: one or more messages, valid until the next call.
func (s *socket) receive() ([]byte, error) {
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
			return nil, fmt.Errorf("a message of %d bytes from nf_tables: %w", n, unix.EMSGSIZE)
		case sender != nil && sender.Pid == 0: // the kernel; another process may send to us too
			return s.buffer[:n], nil
		}
	}
}

// message is one message from the kernel.
type message struct {
	kind, flags uint16
	sequence    uint32
	body        []byte // after the netlink header
}

// messages calls visit for each message of b.
func messages(b []byte, visit func(message) error) error {
	for len(b) > 0 {
		if len(b) < messageHeader {
			return errMalformed
		}
		length := int(host.Uint32(b))
		if length < messageHeader || length > len(b) {
			return errMalformed
		}
		m := message{kind: host.Uint16(b[4:]), flags: host.Uint16(b[6:]), sequence: host.Uint32(b[8:])}
		m.body = b[messageHeader:length]
		if err := visit(m); err != nil {
			return err
		}
		b = b[min(padded(length), len(b)):]
	}
	return nil
}

// answer is what the kernel says to one message; errno 0 is success.
type answer struct {
	sequence uint32
	errno    unix.Errno
	text     string
	offset   uint32 // of the attribute it does not like, from the start of the message
}

// parseAnswer reads a message of type NLMSG_ERROR: a number, the header of the request or all of it, attributes.
func parseAnswer(m message) (answer, error) {
	a := answer{sequence: m.sequence}
	if len(m.body) < 4+messageHeader {
		return a, errMalformed
	}
	a.errno = unix.Errno(-int32(host.Uint32(m.body)))
	if m.flags&unix.NLM_F_ACK_TLVS == 0 {
		return a, nil
	}
	rest := m.body[4:]
	skip := messageHeader
	if m.flags&errorCapped == 0 {
		skip = padded(int(host.Uint32(rest)))
	}
	if skip < messageHeader || skip > len(rest) {
		return a, errMalformed
	}
	return a, parse(rest[skip:], func(attribute uint16, value []byte) error {
		switch attribute {
		case unix.NLMSGERR_ATTR_MSG:
			return parseText(value, &a.text)
		case unix.NLMSGERR_ATTR_OFFS: // unlike the numbers of nf_tables
			if len(value) != 4 {
				return errMalformed
			}
			a.offset = host.Uint32(value)
		}
		return nil
	})
}
