package nft

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// TableName is the name of the table, of the family inet, in the network namespace of the node.
const TableName = "portolan"

// Family is a version of IP.
type Family uint8

// The families of addresses.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

func (f Family) String() string { return fmt.Sprintf("IPv%d", uint8(f)) }

// affinitySize is how many clients may stick, for each family: enough for a busy node, and few enough (about 32 MiB)
// that inventing addresses does not exhaust the node's memory. Further ones do not stick.
const affinitySize = 1 << 18

// rateSize is how many sources may have a limit running, for each family: for the same reasons. Further ones have none
// until one of them is quiet: who can come from as many addresses has as many limits anyway.
const rateSize = 1 << 16

// rateTimeout is how long a source's limit would be kept if a rule did not say; all do.
const rateTimeout = time.Minute

// affinityTimeout is how long a client would stick if a rule did not say; all do.
const affinityTimeout = 3 * time.Hour

// setKind is what a set is for, and its place when a table is printed.
type setKind uint8

const (
	useKind setKind = iota
	guardedKind
	scopedKind
	addressedKind
	grantKind
	rateKind
	restrictedKind
	sourceKind
	serviceKind
	shortCutKind
	nodePortKind
	shortCutPortKind
	nodePortAddressKind
	clusterAddressKind
	serviceRangeKind
	podKind
	podInterfaceKind
	endpointKind
	slotKind
	affinityKind
	pickKind
	masqueradeKind
	masqueradePortKind
	hairpinKind
)

// setID is one of the table's sets: of a family, or of both where the family is 0; of grants, for a length of prefixes.
type setID struct {
	kind   setKind
	family Family
	bits   uint8
}

// typeAddress stands for the address type of the set's family.
var typeAddress = datatype{}

var (
	frontendFields = []datatype{typeAddress, typeProtocol, typePort}
	portFields     = []datatype{typeProtocol, typePort}
	slotFields     = []datatype{typeNumber, typeNumber} // list, slot
	wordFields     = []datatype{typeNumber}
)

// kinds are the sets of the table. Their number does not depend on what is in them: the kernel walks through all sets
// to make one, and through all elements of a map to let a new rule use it, and it checks the whole table again for each
// element of a verdict map. So every Service is elements of data maps, and nothing else. There are sets of grants for the
// lengths of prefixes that have been in use, which are at most 33 and 129: see lengths.go.
//
// A set keeps its name only as long as its key and data stay what they are. See doc.go for what each is for.
var kinds = map[setKind]set{
	useKind:       {name: "uses", key: portFields, counter: true},
	guardedKind:   {name: "ports", key: portFields, data: wordFields},
	scopedKind:    {name: "scoped", key: append(portFields[:2:2], typeInterface, typeAddress), data: wordFields},
	addressedKind: {name: "addressed", key: append(portFields[:2:2], typeAddress), data: wordFields},
	grantKind:     {name: "acl", key: []datatype{typeNumber, typeAddress}, data: wordFields}, // acl4-24 and so on
	rateKind: {
		name: "rate", key: []datatype{typeNumber, typeProtocol, typePort, typeAddress},
		dynamic: true, timeout: rateTimeout, size: rateSize,
	},
	restrictedKind:      {name: "restricted", key: frontendFields},
	sourceKind:          {name: "sources", key: append(frontendFields[:3:3], typeAddress), interval: true},
	serviceKind:         {name: "service", key: frontendFields, data: wordFields},
	shortCutKind:        {name: "short", key: frontendFields, data: wordFields},
	nodePortKind:        {name: "nodeport", key: portFields, data: wordFields},
	shortCutPortKind:    {name: "shortport", key: portFields, data: wordFields},
	nodePortAddressKind: {name: "nodeport-ips", key: []datatype{typeAddress}},
	clusterAddressKind:  {name: "cluster-ips", key: []datatype{typeAddress}},
	serviceRangeKind:    {name: "service-cidrs", key: []datatype{typeAddress}, interval: true},
	podKind:             {name: "pods", key: []datatype{typeAddress}, interval: true},
	podInterfaceKind:    {name: "pod-interfaces", key: []datatype{typeInterface}, interval: true},
	endpointKind:        {name: "endpoints", key: slotFields, data: []datatype{typeAddress, typePort}},
	slotKind:            {name: "slots", key: slotFields, data: wordFields},
	affinityKind: {
		name: "affinity", key: []datatype{typeAddress, typeAddress, typeProtocol, typePort}, data: wordFields,
		dynamic: true, timeout: affinityTimeout, size: affinitySize,
	},
	pickKind:           {name: "picks", key: wordFields, data: []datatype{typeVerdict}},
	masqueradeKind:     {name: "masq", key: frontendFields},
	masqueradePortKind: {name: "masq-ports", key: portFields},
	hairpinKind:        {name: "hairpin", key: []datatype{typeAddress, typeAddress, typeProtocol, typePort}},
}

// sets are all sets of the table, idsByName where they are found by their names.
var sets, idsByName = layoutSets()

func layoutSets() (map[setID]*set, map[string]setID) {
	byID, byName := map[setID]*set{}, map[string]setID{}
	add := func(id setID, s set) {
		byID[id], byName[s.name] = &s, id
	}
	for kind, s := range kinds {
		switch kind {
		case useKind, podInterfaceKind, slotKind, pickKind:
			add(setID{kind: kind}, s)
		case grantKind:
			for _, v := range views {
				for bits := range v.bits() + 1 {
					length := s.of(v.family)
					length.name = fmt.Sprint(length.name, "-", bits)
					add(setID{kind, v.family, bits}, length)
				}
			}
		default:
			add(setID{kind: kind, family: IPv4}, s.of(IPv4))
			add(setID{kind: kind, family: IPv6}, s.of(IPv6))
		}
	}
	return byID, byName
}

// of is the set for a family.
func (s set) of(f Family) set {
	address := typeAddress4
	if f == IPv6 {
		address = typeAddress6
	}
	fill := func(fields []datatype) []datatype {
		fields = slices.Clone(fields)
		for i, t := range fields {
			if t == typeAddress {
				fields[i] = address
			}
		}
		return fields
	}
	s.name = fmt.Sprint(s.name, uint8(f))
	s.key, s.data = fill(s.key), fill(s.data)
	return s
}

// setIDs are the IDs of all sets, in the order of a printed table.
var setIDs = slices.SortedFunc(maps.Keys(sets), setID.compare)

// compare puts the longest prefixes first.
func (id setID) compare(other setID) int {
	return cmp.Or(cmp.Compare(id.kind, other.kind), cmp.Compare(id.family, other.family), cmp.Compare(other.bits, id.bits))
}

var pickSet = setID{kind: pickKind}
