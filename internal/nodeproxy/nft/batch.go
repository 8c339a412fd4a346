package nft

import (
	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// batch is a transaction in the making: messages that the kernel takes all or none.
//
// The sequence number of a message is its place in the batch, so that an error, which carries that number, names what
// it is about.
type batch struct {
	attributes
	table string // that the messages are about
	at    int    // where the last message begins
	count int    // messages, without those that begin and end the batch
}

func newBatch(table string) *batch {
	b := &batch{table: table}
	b.begin(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	b.end()
	return b
}

func (b *batch) empty() bool { return b.count == 0 }

// message adds a message to nf_tables that carries the attributes that content writes.
func (b *batch) message(kind, flags uint16, content func()) {
	b.start(kind, flags)
	content()
	b.end()
}

// start begins a message to nf_tables.
func (b *batch) start(kind, flags uint16) {
	b.begin(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, unix.NFPROTO_INET, 0)
	b.count++
}

func (b *batch) begin(kind, flags uint16, family byte, resource uint16) {
	h := netlink.Header{Kind: kind, Flags: flags, Sequence: uint32(len(b.wire)), Family: family, Resource: resource} //nolint:gosec // a batch is far below 4 GiB
	b.at = b.wire.Begin(h)
}

// end ends the message that was begun last.
func (b *batch) end() { b.wire.End(b.at) }

// finish ends the batch and returns all of it. Only the last message asks for an answer: it comes once the whole batch
// has been taken, and as many answers as messages would not fit into the socket.
func (b *batch) finish() []byte {
	flags := b.wire[b.at+6:]
	host.PutUint16(flags, host.Uint16(flags)|unix.NLM_F_ACK)
	last := b.at
	b.begin(unix.NFNL_MSG_BATCH_END, 0, unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	b.end()
	b.at = last
	return b.wire
}
