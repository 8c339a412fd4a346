package nft

import (
	"slices"

	"golang.org/x/sys/unix"
)

// field is something of a packet that a rule loads: into how many registers, and how.
type field struct {
	registers register
	load      func(to register) expression
}

// view is a packet as a family sees it.
type view struct {
	family   Family
	protocol byte // of nfproto
	// registers, source and so on are those of an address.
	registers                   register
	length, source, destination uint32
	originalDestination         uint32
}

var views = [...]view{
	{IPv4, unix.NFPROTO_IPV4, 1, 4, 12, 16, unix.NFT_CT_DST_IP},
	{IPv6, unix.NFPROTO_IPV6, 4, 16, 8, 24, unix.NFT_CT_DST_IP6},
}

// bits are those of an address.
func (v view) bits() uint8 { return uint8(8 * v.length) } //nolint:gosec // bits of a field of at most 16 bytes

// name is what a set or chain of the family is called.
func (v view) name(name string) string { return set{name: name}.of(v.family).name }

// only is a rule for packets of the family. Every rule that looks at an address must be one.
func (v view) only(parts ...rule) rule {
	return slices.Concat(metaIs(unix.NFT_META_NFPROTO, []byte{v.protocol}), slices.Concat(parts...))
}

func (v view) saddr() field { return v.address(v.source) }
func (v view) daddr() field { return v.address(v.destination) }

func (v view) address(offset uint32) field {
	return field{v.registers, func(to register) expression {
		return loadHeader(unix.NFT_PAYLOAD_NETWORK_HEADER, offset, v.length, to)
	}}
}

// originalDaddr is where the client sent the packet to, once it is on its way to an endpoint.
func (v view) originalDaddr() field {
	return field{v.registers, func(to register) expression { return loadOriginal(v.originalDestination, to) }}
}

func l4proto() field {
	return field{1, func(to register) expression { return loadMeta(unix.NFT_META_L4PROTO, to) }}
}

func dport() field {
	return field{1, func(to register) expression { return loadHeader(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, to) }}
}

func originalDport() field {
	return field{1, func(to register) expression { return loadOriginal(unix.NFT_CT_PROTO_DST, to) }}
}

func inInterface() field {
	return field{4, func(to register) expression { return loadMeta(unix.NFT_META_IIFNAME, to) }}
}

// frontend is what a client sends to, originalFrontend what it did send to.
func (v view) frontend() []field { return []field{v.daddr(), l4proto(), dport()} }
func (v view) originalFrontend() []field {
	return []field{v.originalDaddr(), l4proto(), originalDport()}
}

// flow is who sends, and to what.
func (v view) flow() []field { return append([]field{v.saddr()}, v.frontend()...) }

// load loads fields one after another, from the first register on, as a concatenated key has them.
func load(fields ...field) rule {
	var r rule
	to := firstRegister
	for _, f := range fields {
		r = append(r, f.load(to))
		to += f.registers
	}
	return r
}

// after is the first register that load leaves alone.
func after(fields ...field) register {
	r := firstRegister
	for _, f := range fields {
		r += f.registers
	}
	return r
}

// in lets packets pass whose fields are in a set of the family, notIn the others.
func (v view) in(set string, fields ...field) rule {
	return append(load(fields...), inSet(v.name(set), firstRegister))
}

func (v view) notIn(set string, fields ...field) rule {
	return append(load(fields...), notInSet(v.name(set), firstRegister))
}

// take lets packets pass for whose fields a map of the family has a word, which they take with them.
//
// They carry it as their priority for traffic control, which is 32 bits that a packet has and that nobody else needs
// before it leaves: marks belong to the cluster's network. It is reset in postrouting.
func (v view) take(dataMap string, fields ...field) rule {
	return append(load(fields...),
		lookupMap(v.name(dataMap), firstRegister, firstRegister),
		setMeta(unix.NFT_META_PRIORITY, firstRegister),
	)
}

// loadWord loads those bits of the packet's word that are in mask.
func loadWord(mask uint32, to register) rule {
	return rule{loadMeta(unix.NFT_META_PRIORITY, to), maskBits(to, number(mask))}
}

// setWord has the packet take a constant.
func setWord(word uint32) rule {
	return rule{loadConstant(number(word), firstRegister), setMeta(unix.NFT_META_PRIORITY, firstRegister)}
}

func wordIs(word uint32) rule {
	return metaIs(unix.NFT_META_PRIORITY, number(word))
}

func metaIs(key uint32, value []byte) rule {
	return rule{loadMeta(key, firstRegister), equal(firstRegister, value)}
}

func interfaceIn(set string) rule {
	return append(load(inInterface()), inSet(set, firstRegister))
}

// number is a value as registers have it.
func number(n uint32) []byte { return host.AppendUint32(nil, n) }
