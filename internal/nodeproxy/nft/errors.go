package nft

import (
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

var (
	// ErrTooLarge means that what is to be changed at once does not fit into the socket, whose buffer this process may not
	// enlarge (that takes CAP_NET_ADMIN over the user namespace that the network namespace belongs to). Nothing has
	// been changed. Changes are parted before they are too large, so this is said of a socket that takes next to nothing.
	ErrTooLarge = netlink.ErrTooLarge

	// ErrDoubt means that nobody knows whether the kernel has taken a change. Read tells.
	ErrDoubt = errors.New("not known whether the kernel took the change")

	// ErrOwned means that another process owns the table, and while it lives nobody else can change it.
	ErrOwned = errors.New("the table belongs to another process")

	// ErrUncounted means that there is no table that counts flows.
	ErrUncounted = errors.New("there is no table that counts")
)

// Error is the kernel's refusal of a change; nothing of it has been done. It wraps Errno, and ErrOwned where that is
// the reason.
type Error struct {
	Errno unix.Errno
	// Text is what the kernel says beside the number; mostly it says nothing.
	Text string
	// Operation and Object are what it refused, such as "add element" and "service4 10.96.0.1 . tcp . 80"; empty where
	// that is the change as a whole.
	Operation, Object string
	// More is how many errors followed; they are mostly consequences.
	More int
}

// Error is one line: what was refused, why, and how many errors more there were.
func (e *Error) Error() string {
	text := "nf_tables"
	if e.Operation != "" {
		text += ": " + e.Operation + " " + e.Object
	}
	text += ": " + e.Errno.Error()
	if e.Text != "" {
		text += " (" + e.Text + ")"
	}
	if errors.Is(e, ErrOwned) {
		text += ": " + ErrOwned.Error()
	}
	if e.More > 0 {
		text += fmt.Sprintf(", and %d errors more", e.More)
	}
	return text
}

// Unwrap makes errors.Is find the number, and ErrOwned.
func (e *Error) Unwrap() []error {
	if e.Errno == unix.EPERM && e.Operation != "" { // without CAP_NET_ADMIN no message is looked at
		return []error{e.Errno, ErrOwned}
	}
	return []error{e.Errno}
}

// operations names messages and the attribute that has the name of what they are about.
var operations = map[uint16]struct {
	name   string
	object uint16
}{
	unix.NFT_MSG_NEWTABLE:   {"add table", unix.NFTA_TABLE_NAME},
	unix.NFT_MSG_DELTABLE:   {"delete table", unix.NFTA_TABLE_NAME},
	unix.NFT_MSG_NEWCHAIN:   {"add chain", unix.NFTA_CHAIN_NAME},
	unix.NFT_MSG_DELCHAIN:   {"delete chain", unix.NFTA_CHAIN_NAME},
	unix.NFT_MSG_NEWRULE:    {"add rule to", unix.NFTA_RULE_CHAIN},
	unix.NFT_MSG_DELRULE:    {"delete rules of", unix.NFTA_RULE_CHAIN},
	unix.NFT_MSG_NEWSET:     {"add set", unix.NFTA_SET_NAME},
	unix.NFT_MSG_DELSET:     {"delete set", unix.NFTA_SET_NAME},
	unix.NFT_MSG_NEWSETELEM: {"add element", unix.NFTA_SET_ELEM_LIST_SET},
	unix.NFT_MSG_DELSETELEM: {"delete element", unix.NFTA_SET_ELEM_LIST_SET},
}

// refusal is the error that an answer to a message of this batch stands for.
func (b *batch) refusal(a netlink.Answer) *Error {
	e := &Error{Errno: a.Errno, Text: a.Text}
	if a.Sequence == 0 || int(a.Sequence)+netlink.MessageHeader+netlink.FamilyHeader > len(b.wire) {
		return e // the batch as a whole
	}
	message := b.wire[a.Sequence:]
	message = message[:min(int(host.Uint32(message)), len(message))]
	operation, ok := operations[host.Uint16(message[4:])&0xff]
	if !ok {
		return e
	}
	e.Operation = operation.name
	// What we wrote ourselves is well formed.
	name, _ := find(message[netlink.MessageHeader+netlink.FamilyHeader:], operation.object)
	_ = parseText(name, &e.Object)
	if key := elementKey(message, int(a.Offset)); key != nil && e.Operation != "" {
		e.Object += " " + keyText(e.Object, key)
	}
	return e
}

// keyText is a key of a set as a person would read it, where the set is one of the table's.
func keyText(set string, key []byte) string {
	if id, ok := idsByName[set]; ok {
		return fieldsText(sets[id].key, key)
	}
	return hex.EncodeToString(key)
}

// elementKey is the key of the element at that place of a message; nil where there is none: errors of other messages
// have a place too.
func elementKey(message []byte, offset int) []byte {
	kind := host.Uint16(message[4:]) & 0xff
	if kind != unix.NFT_MSG_NEWSETELEM && kind != unix.NFT_MSG_DELSETELEM {
		return nil
	}
	if offset < netlink.MessageHeader+netlink.FamilyHeader || offset+netlink.AttributeHeader > len(message) {
		return nil
	}
	length := int(host.Uint16(message[offset:]))
	if length < netlink.AttributeHeader || offset+length > len(message) {
		return nil
	}
	element := message[offset+netlink.AttributeHeader : offset+length]
	data, err := find(element, unix.NFTA_SET_ELEM_KEY)
	if err != nil {
		return nil
	}
	key, _ := find(data, unix.NFTA_DATA_VALUE)
	return key
}
