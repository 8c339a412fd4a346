package testnet

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"net/netip"
)

// SCTP as far as a connection tracker is concerned (RFC 9260): a client's INIT opens a flow, a server's INIT ACK answers
// it. Not every kernel has SCTP, so both are made by hand, over raw sockets; nothing comes after them. The answer travels
// in the INIT ACK where its state cookie belongs.
const (
	sctpProtocol = "132"

	chunkInit    = 1
	chunkInitAck = 2

	commonHeader = 12 // ports, verification tag, checksum
	initHeader   = 20 // type, flags, length, and what every INIT says
	cookieHeader = 4
	stateCookie  = 7
)

// ServeSCTP answers on a port of all addresses of the host, to each INIT, until the test ends.
func (h *Host) ServeSCTP(port uint16) {
	h.t.Helper()
	for _, network := range []string{"ip4:" + sctpProtocol, "ip6:" + sctpProtocol} {
		var packets net.PacketConn
		h.must(h.Do(func() (err error) {
			packets, err = net.ListenPacket(network, "")
			return err
		}))
		served := make(chan struct{})
		go func() {
			defer close(served)
			h.serveSCTP(packets, port)
		}()
		h.t.Cleanup(func() {
			packets.Close()
			<-served
		})
	}
}

func (h *Host) serveSCTP(c net.PacketConn, port uint16) {
	buffer := make([]byte, 512)
	for {
		n, from, err := c.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		asked, ok := parseSCTP(buffer[:n])
		if !ok || asked.kind != chunkInit || asked.to != port {
			continue
		}
		client := netip.AddrPortFrom(netip.MustParseAddr(from.String()), asked.from)
		answer := sctpPacket{from: port, to: asked.from, tag: asked.initTag, kind: chunkInitAck, initTag: 1,
			cookie: answer(h.Name, net.TCPAddrFromAddrPort(client))}
		_, _ = c.WriteTo(answer.bytes(), from)
	}
}

// sctpConn writes INITs and reads what answers them, as a net.Conn does with datagrams.
type sctpConn struct {
	*net.IPConn
	from, to uint16
	tag      uint32
}

func dialSCTP(ctx context.Context, from uint16, to netip.AddrPort) (*sctpConn, error) {
	network := "ip6:" + sctpProtocol
	if to.Addr().Is4() {
		network = "ip4:" + sctpProtocol
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, to.Addr().String())
	if err != nil {
		return nil, err
	}
	if from == 0 {
		from = uint16(32768 + rand.IntN(28000))
	}
	return &sctpConn{IPConn: c.(*net.IPConn), from: from, to: to.Port(), tag: 1 + rand.Uint32N(1<<31)}, nil
}

func (c *sctpConn) Write(b []byte) (int, error) {
	_, err := c.IPConn.Write(sctpPacket{from: c.from, to: c.to, kind: chunkInit, initTag: c.tag}.bytes())
	return len(b), err
}

func (c *sctpConn) Read(b []byte) (int, error) {
	buffer := make([]byte, 512)
	for {
		n, _, err := c.ReadFrom(buffer) // which leaves out the IP header; Read does not
		if err != nil {
			return 0, err
		}
		p, ok := parseSCTP(buffer[:n])
		if ok && p.kind == chunkInitAck && p.tag == c.tag && p.from == c.to && p.to == c.from {
			return copy(b, p.cookie), nil
		}
	}
}

// sctpPacket is an INIT or an INIT ACK.
type sctpPacket struct {
	from, to uint16
	tag      uint32 // of the receiver
	kind     byte
	initTag  uint32 // of the sender
	cookie   []byte // in an INIT ACK
}

func (p sctpPacket) bytes() []byte {
	b := make([]byte, commonHeader+initHeader)
	binary.BigEndian.PutUint16(b, p.from)
	binary.BigEndian.PutUint16(b[2:], p.to)
	binary.BigEndian.PutUint32(b[4:], p.tag)
	chunk := b[commonHeader:]
	chunk[0] = p.kind
	binary.BigEndian.PutUint32(chunk[4:], p.initTag)
	binary.BigEndian.PutUint32(chunk[8:], 65536) // the receiver window
	binary.BigEndian.PutUint16(chunk[12:], 1)    // streams out
	binary.BigEndian.PutUint16(chunk[14:], 1)    // streams in
	binary.BigEndian.PutUint32(chunk[16:], p.initTag)
	length := initHeader
	if len(p.cookie) > 0 {
		b = binary.BigEndian.AppendUint16(b, stateCookie)
		b = binary.BigEndian.AppendUint16(b, uint16(cookieHeader+len(p.cookie)))
		b = append(b, p.cookie...)
		length += cookieHeader + len(p.cookie)
	}
	binary.BigEndian.PutUint16(b[commonHeader+2:], uint16(length))
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func parseSCTP(b []byte) (sctpPacket, bool) {
	if len(b) < commonHeader+initHeader {
		return sctpPacket{}, false
	}
	p := sctpPacket{
		from: binary.BigEndian.Uint16(b), to: binary.BigEndian.Uint16(b[2:]), tag: binary.BigEndian.Uint32(b[4:]),
		kind: b[commonHeader], initTag: binary.BigEndian.Uint32(b[commonHeader+4:]),
	}
	if rest := b[commonHeader+initHeader:]; len(rest) > cookieHeader {
		length := min(int(binary.BigEndian.Uint16(rest[2:])), len(rest))
		p.cookie = rest[cookieHeader:max(cookieHeader, length)]
	}
	return p, true
}
