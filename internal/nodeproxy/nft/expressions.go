package nft

import (
	"time"

	"golang.org/x/sys/unix"
)

// register is one of the sixteen words of 32 bits that the expressions of a rule work on. A value of several words,
// such as an IPv6 address, takes that many in a row.
//
// A rule must load what it reads: newer kernels refuse a rule that reads what an earlier one left behind, and nft could
// not print it.
type register uint32

const (
	verdictRegister register = unix.NFT_REG_VERDICT
	firstRegister   register = unix.NFT_REG32_00
)

// write uses the older name where a register has two, as the kernel does when it lists rules: so what is there can be
// compared with what is wanted.
func (r register) write(a *attributes, attribute uint16) {
	if r >= firstRegister && (r-firstRegister)%4 == 0 {
		r = unix.NFT_REG_1 + (r-firstRegister)/4
	}
	a.u32(attribute, uint32(r))
}

// expression is a step of a rule. All that the kernel lists of it is written, defaults too, again for comparison.
type expression struct {
	name string
	body func(*attributes)
}

func (e expression) write(a *attributes) {
	a.text(unix.NFTA_EXPR_NAME, e.name)
	a.nest(unix.NFTA_EXPR_DATA, func() { e.body(a) })
}

func writeData(a *attributes, attribute uint16, value []byte) {
	a.nest(attribute, func() { a.bytes(unix.NFTA_DATA_VALUE, value) })
}

func writeVerdict(a *attributes, attribute uint16, verdict int32, chain string) {
	a.nest(attribute, func() {
		a.nest(unix.NFTA_DATA_VERDICT, func() {
			a.u32(unix.NFTA_VERDICT_CODE, uint32(verdict)) //nolint:gosec // verdicts are negative, and their bits are sent
			if chain != "" {
				a.text(unix.NFTA_VERDICT_CHAIN, chain)
			}
		})
	})
}

// loadMeta loads what the kernel knows about a packet, such as its interface.
func loadMeta(key uint32, to register) expression {
	return expression{"meta", func(a *attributes) {
		a.u32(unix.NFTA_META_KEY, key)
		to.write(a, unix.NFTA_META_DREG)
	}}
}

// setMeta is loadMeta's reverse.
func setMeta(key uint32, from register) expression {
	return expression{"meta", func(a *attributes) {
		a.u32(unix.NFTA_META_KEY, key)
		from.write(a, unix.NFTA_META_SREG)
	}}
}

// loadHeader loads bytes of the packet, from the start of its network or transport header on.
func loadHeader(base, offset, length uint32, to register) expression {
	return expression{"payload", func(a *attributes) {
		to.write(a, unix.NFTA_PAYLOAD_DREG)
		a.u32(unix.NFTA_PAYLOAD_BASE, base)
		a.u32(unix.NFTA_PAYLOAD_OFFSET, offset)
		a.u32(unix.NFTA_PAYLOAD_LEN, length)
	}}
}

// loadConntrack loads what conntrack knows about the packet's flow.
func loadConntrack(key uint32, to register) expression {
	return expression{"ct", func(a *attributes) {
		a.u32(unix.NFTA_CT_KEY, key)
		to.write(a, unix.NFTA_CT_DREG)
	}}
}

// loadOriginal loads an address or a port that the flow's first packet had when it came in.
func loadOriginal(key uint32, to register) expression {
	return expression{"ct", func(a *attributes) {
		a.u32(unix.NFTA_CT_KEY, key)
		to.write(a, unix.NFTA_CT_DREG)
		a.bytes(unix.NFTA_CT_DIRECTION, []byte{0})
	}}
}

// loadSourceType loads what the routing table says of the source address: unix.RTN_LOCAL and so on. loadDestinationType
// loads that of the destination.
func loadSourceType(to register) expression      { return loadType(unix.NFTA_FIB_F_SADDR, to) }
func loadDestinationType(to register) expression { return loadType(unix.NFTA_FIB_F_DADDR, to) }

func loadType(of uint32, to register) expression {
	return expression{"fib", func(a *attributes) {
		to.write(a, unix.NFTA_FIB_DREG)
		a.u32(unix.NFTA_FIB_RESULT, unix.NFT_FIB_RESULT_ADDRTYPE)
		a.u32(unix.NFTA_FIB_FLAGS, of)
	}}
}

// loadRandom loads a number from 0 to n-1, each as likely as any other.
func loadRandom(n uint32, to register) expression {
	return expression{"numgen", func(a *attributes) {
		to.write(a, unix.NFTA_NG_DREG)
		a.u32(unix.NFTA_NG_MODULUS, n)
		a.u32(unix.NFTA_NG_TYPE, unix.NFT_NG_RANDOM)
		a.u32(unix.NFTA_NG_OFFSET, 0)
	}}
}

func loadConstant(value []byte, to register) expression {
	return expression{"immediate", func(a *attributes) {
		to.write(a, unix.NFTA_IMMEDIATE_DREG)
		writeData(a, unix.NFTA_IMMEDIATE_DATA, value)
	}}
}

// maskBits keeps those bits of a register that are set in mask.
func maskBits(r register, mask []byte) expression {
	return expression{"bitwise", func(a *attributes) {
		r.write(a, unix.NFTA_BITWISE_SREG)
		r.write(a, unix.NFTA_BITWISE_DREG)
		a.u32(unix.NFTA_BITWISE_LEN, uint32(len(mask))) //nolint:gosec // a mask of at most 16 bytes
		writeData(a, unix.NFTA_BITWISE_MASK, mask)
		writeData(a, unix.NFTA_BITWISE_XOR, make([]byte, len(mask)))
	}}
}

func equal(r register, value []byte) expression    { return compare(unix.NFT_CMP_EQ, r, value) }
func notEqual(r register, value []byte) expression { return compare(unix.NFT_CMP_NEQ, r, value) }
func atLeast(r register, value []byte) expression  { return compare(unix.NFT_CMP_GTE, r, value) }
func atMost(r register, value []byte) expression   { return compare(unix.NFT_CMP_LTE, r, value) }

func compare(operator uint32, r register, value []byte) expression {
	return expression{"cmp", func(a *attributes) {
		r.write(a, unix.NFTA_CMP_SREG)
		a.u32(unix.NFTA_CMP_OP, operator)
		writeData(a, unix.NFTA_CMP_DATA, value)
	}}
}

// inSet matches where the registers from key on hold an element of a set. A map is refused by kernels before 6.4.
func inSet(set string, key register) expression    { return lookup(set, key, 0) }
func notInSet(set string, key register) expression { return lookup(set, key, unix.NFT_LOOKUP_F_INV) }

func lookup(set string, key register, flags uint32) expression {
	return expression{"lookup", func(a *attributes) {
		a.text(unix.NFTA_LOOKUP_SET, set)
		key.write(a, unix.NFTA_LOOKUP_SREG)
		a.u32(unix.NFTA_LOOKUP_FLAGS, flags)
	}}
}

// lookupMap loads what a map has for a key; it does not match where there is nothing.
//
// What it loads must not be the key of another lookup of the same rule: the nft command would abort when it lists that,
// and with it the list of everybody's rules.
func lookupMap(set string, key, to register) expression {
	return expression{"lookup", func(a *attributes) {
		a.text(unix.NFTA_LOOKUP_SET, set)
		key.write(a, unix.NFTA_LOOKUP_SREG)
		to.write(a, unix.NFTA_LOOKUP_DREG)
		a.u32(unix.NFTA_LOOKUP_FLAGS, 0)
	}}
}

// lookupVerdict goes where a verdict map says.
func lookupVerdict(set string, key register) expression { return lookupMap(set, key, verdictRegister) }

// updateElement adds an element to a dynamic map, or lets one that is there live for another timeout. It does not
// change the data of one that is there. In a full map it does not match.
func updateElement(set string, key, data register, timeout time.Duration) expression {
	return dynset(unix.NFT_DYNSET_OP_UPDATE, set, key, data, timeout)
}

// overLimit matches packets beyond a limit, which each key of a dynamic set has of its own: perSecond, once burst are used
// up. One that has none there for timeout is forgotten. In a full set it does not match.
func overLimit(set string, key register, timeout time.Duration, perSecond, burst uint32) expression {
	limit := expression{"limit", func(a *attributes) {
		a.u64(unix.NFTA_LIMIT_RATE, uint64(perSecond))
		a.u64(unix.NFTA_LIMIT_UNIT, 1)
		a.u32(unix.NFTA_LIMIT_BURST, burst)
		a.u32(unix.NFTA_LIMIT_TYPE, unix.NFT_LIMIT_PKTS)
		a.u32(unix.NFTA_LIMIT_FLAGS, unix.NFT_LIMIT_F_INV)
	}}
	return expression{"dynset", func(a *attributes) {
		key.write(a, unix.NFTA_DYNSET_SREG_KEY)
		a.u32(unix.NFTA_DYNSET_OP, unix.NFT_DYNSET_OP_UPDATE)
		a.text(unix.NFTA_DYNSET_SET_NAME, set)
		a.u64(unix.NFTA_DYNSET_TIMEOUT, uint64(timeout.Milliseconds())) //nolint:gosec // a timeout of the API, which is positive
		a.nest(unix.NFTA_DYNSET_EXPR, func() { limit.write(a) })
	}}
}

// deleteElement deletes an element of a dynamic map. For a map the kernel insists on data, and ignores it.
func deleteElement(set string, key, data register) expression {
	return dynset(dynsetDelete, set, key, data, 0)
}

func dynset(operation uint32, set string, key, data register, timeout time.Duration) expression {
	return expression{"dynset", func(a *attributes) {
		key.write(a, unix.NFTA_DYNSET_SREG_KEY)
		data.write(a, unix.NFTA_DYNSET_SREG_DATA)
		a.u32(unix.NFTA_DYNSET_OP, operation)
		a.text(unix.NFTA_DYNSET_SET_NAME, set)
		if timeout != 0 {
			a.u64(unix.NFTA_DYNSET_TIMEOUT, uint64(timeout.Milliseconds())) //nolint:gosec // a timeout of the API, which is positive
		}
	}}
}

// countPackets counts packets and their bytes.
func countPackets() expression {
	return expression{"counter", func(a *attributes) {
		a.u64(unix.NFTA_COUNTER_BYTES, 0)
		a.u64(unix.NFTA_COUNTER_PACKETS, 0)
	}}
}

func accept() expression           { return verdict(acceptPacket, "") }
func drop() expression             { return verdict(dropPacket, "") }
func returnTo() expression         { return verdict(unix.NFT_RETURN, "") }
func jump(chain string) expression { return verdict(unix.NFT_JUMP, chain) }
func goTo(chain string) expression { return verdict(unix.NFT_GOTO, chain) }

func verdict(code int32, chain string) expression {
	return expression{"immediate", func(a *attributes) {
		verdictRegister.write(a, unix.NFTA_IMMEDIATE_DREG)
		writeVerdict(a, unix.NFTA_IMMEDIATE_DATA, code, chain)
	}}
}

// rejectTCP answers with a reset, which unlike an ICMP error is not limited in its rate.
func rejectTCP() expression {
	return expression{"reject", func(a *attributes) { a.u32(unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_TCP_RST) }}
}

// rejectPort answers with an ICMP error of the packet's family: port unreachable.
func rejectPort() expression {
	return expression{"reject", func(a *attributes) {
		a.u32(unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_ICMPX_UNREACH)
		a.bytes(unix.NFTA_REJECT_ICMP_CODE, []byte{unix.NFT_REJECT_ICMPX_PORT_UNREACH})
	}}
}

// translateTo sends the flow to an address and port.
func translateTo(family uint32, address, port register) expression {
	return expression{"nat", func(a *attributes) {
		a.u32(unix.NFTA_NAT_TYPE, unix.NFT_NAT_DNAT)
		a.u32(unix.NFTA_NAT_FAMILY, family)
		address.write(a, unix.NFTA_NAT_REG_ADDR_MIN)
		port.write(a, unix.NFTA_NAT_REG_PROTO_MIN)
		a.u32(unix.NFTA_NAT_FLAGS, unix.NF_NAT_RANGE_MAP_IPS|unix.NF_NAT_RANGE_PROTO_SPECIFIED)
	}}
}

// redirectTo sends the flow to a port of this host; what the host itself sends, of its loopback address.
func redirectTo(port register) expression {
	return expression{"redir", func(a *attributes) {
		port.write(a, unix.NFTA_REDIR_REG_PROTO_MIN)
		port.write(a, unix.NFTA_REDIR_REG_PROTO_MAX)
		a.u32(unix.NFTA_REDIR_FLAGS, unix.NF_NAT_RANGE_PROTO_SPECIFIED)
	}}
}

// masquerade gives the flow the address of the interface that it leaves by, and any free port: two CPUs that pick the
// same one would lose a packet.
func masquerade() expression {
	return expression{"masq", func(a *attributes) { a.u32(unix.NFTA_MASQ_FLAGS, unix.NF_NAT_RANGE_PROTO_RANDOM_FULLY) }}
}
