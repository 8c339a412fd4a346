package netlink

import "golang.org/x/sys/unix"

// Messages begin with a header; those to and from netfilter with two.
const (
	MessageHeader = unix.NLMSG_HDRLEN
	FamilyHeader  = 4 // nfgenmsg: family, version, resource

	errorNumber = 4 // what a list ends with
)

// Header is what stands at the beginning of a request to netfilter.
type Header struct {
	// Kind is the part of netfilter that is meant, in the upper byte, and what it is to do.
	Kind uint16
	// Flags are those beyond "this is a request".
	Flags uint16
	// Sequence comes back in the answers.
	Sequence uint32
	Family   byte
	Resource uint16
}

// Begin begins a message and returns where; attributes may follow.
func (a *Attributes) Begin(h Header) int {
	at := len(*a)
	wire := Host.AppendUint32(*a, 0)
	wire = Host.AppendUint16(wire, h.Kind)
	wire = Host.AppendUint16(wire, unix.NLM_F_REQUEST|h.Flags)
	wire = Host.AppendUint32(wire, h.Sequence)
	wire = Host.AppendUint32(wire, 0)
	wire = append(wire, h.Family, unix.NFNETLINK_V0)
	*a = Network.AppendUint16(wire, h.Resource)
	return at
}

// End ends the message that began there.
func (a *Attributes) End(at int) { Host.PutUint32((*a)[at:], uint32(len(*a)-at)) } //nolint:gosec // a message is far below 4 GiB

// Message is one message from the kernel.
type Message struct {
	Kind, Flags uint16
	Sequence    uint32
	Body        []byte // after the netlink header
}

// Messages calls visit for each message of b, until it returns an error. A body is a part of b.
func Messages(b []byte, visit func(Message) error) error {
	for len(b) > 0 {
		if len(b) < MessageHeader {
			return ErrMalformed
		}
		length := int(Host.Uint32(b))
		if length < MessageHeader || length > len(b) {
			return ErrMalformed
		}
		m := Message{Kind: Host.Uint16(b[4:]), Flags: Host.Uint16(b[6:]), Sequence: Host.Uint32(b[8:])}
		m.Body = b[MessageHeader:length]
		if err := visit(m); err != nil {
			return err
		}
		b = b[min(Padded(length), len(b)):]
	}
	return nil
}

func (m Message) isLast() bool { return m.Kind == unix.NLMSG_DONE || m.Kind == unix.NLMSG_ERROR }

// read calls visit with the object that the message is about, without a header of that length. Where it is the number that
// ends a list the error is what that says; ErrChanged, where the list is not of one moment.
func (m Message) read(header int, visit func(body []byte) error) error {
	switch {
	case m.Flags&unix.NLM_F_DUMP_INTR != 0:
		return ErrChanged
	case len(m.Body) < header, m.isLast() && len(m.Body) < errorNumber:
		return ErrMalformed
	case !m.isLast():
		return visit(m.Body[header:])
	}
	if errno := unix.Errno(-int32(Host.Uint32(m.Body))); errno != 0 { //nolint:gosec // the kernel writes a negative int32
		return errno
	}
	return nil
}
