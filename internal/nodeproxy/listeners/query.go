package listeners

import (
	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// query asks for the listeners of a family and protocol whose port is in a range. Of SCTP the kernel does not look at the
// port.
type query struct {
	family   uint8
	protocol Protocol
	from, to uint16
}

func (q query) states() uint32 {
	if q.protocol == UDP {
		return 1 << tcpClose
	}
	return 1 << tcpListen
}

// request is the query as the kernel reads it.
func (q query) request() []byte {
	wire := make(netlink.Attributes, netlink.MessageHeader+requestSize)
	netlink.Host.PutUint16(wire[4:], socksByFamily)
	netlink.Host.PutUint16(wire[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := wire[netlink.MessageHeader:]
	body[0], body[1] = q.family, uint8(q.protocol)
	netlink.Host.PutUint32(body[4:], q.states())
	wire.Bytes(attributeBytecode, q.bytecode())
	wire.End(0)
	return wire
}

// bytecode is what the kernel asks of each socket.
func (q query) bytecode() []byte {
	const length = 2 * comparison
	code := make([]byte, 0, length)
	for _, c := range []struct {
		code byte
		port uint16
	}{{portAtLeast, q.from}, {portAtMost, q.to}} {
		out := length - len(code) + pastTheEnd
		code = netlink.Host.AppendUint16(append(code, c.code, comparison), uint16(out)) //nolint:gosec // less than 64
		code = netlink.Host.AppendUint16(append(code, 0, 0), c.port)
	}
	return code
}
