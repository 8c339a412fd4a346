package nft

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

const (
	// snapshotPatience is for how long is read again what changed while it was read. All changes in the network
	// namespace count, those of others' tables too.
	snapshotPatience = 10 * time.Second
	// longestPause is between two readings.
	longestPause = 50 * time.Millisecond
)

var errChanged = netlink.ErrChanged

// snapshot calls read until nothing has changed meanwhile, and returns the generation that it is of; what an earlier call
// found is to be forgotten.
//
// The kernel marks a list that a change has cut across, but not lists of elements; the number of changes tells for all.
func (s *socket) snapshot(read func() error) (generation uint32, err error) {
	deadline := time.Now().Add(s.patience)
	for pause := time.Millisecond; ; pause = min(2*pause, longestPause) {
		generation, err := s.undisturbed(read)
		if !errors.Is(err, errChanged) || time.Now().After(deadline) {
			return generation, err
		}
		time.Sleep(pause)
	}
}

// undisturbed calls read once; errChanged, if something changed meanwhile.
func (s *socket) undisturbed(read func() error) (generation uint32, err error) {
	before, err := s.generation()
	if err != nil {
		return 0, err
	}
	if err := read(); err != nil {
		return 0, err
	}
	after, err := s.generation()
	if err == nil && before != after {
		err = errChanged
	}
	return after, err
}

// generation counts the batches that have changed something in the network namespace, whosever they were.
func (s *socket) generation() (uint32, error) {
	var id uint32
	err := s.ask(unix.NFT_MSG_GETGEN, 0, func(*attributes) {}, func(body []byte) error {
		value, err := find(body, unix.NFTA_GEN_ID)
		if err != nil {
			return err
		}
		return parseU32(value, &id)
	})
	return id, err
}

// nextGeneration is the one after another; none is 0.
func nextGeneration(g uint32) uint32 { return max(g+1, 1) }

// dump calls visit with the attributes of each object of a kind; they are part of a buffer that is used again.
func (s *socket) dump(kind uint16, where func(*attributes), visit func(body []byte) error) error {
	return s.ask(kind, unix.NLM_F_DUMP, where, visit)
}

// ask sends a question and calls visit with each answer.
func (s *socket) ask(kind, flags uint16, where func(*attributes), visit func(body []byte) error) error {
	var b batch
	b.start(kind, flags)
	where(&b.attributes)
	b.end()
	return s.Ask(b.wire, visit)
}

// dumpElements calls visit for each element of a set.
//
// The kernel enlarges a hash table some time after elements were added. Meanwhile it lists some twice, and others not
// at all. It is up to the caller to notice.
func (s *socket) dumpElements(table, set string, visit func(entry) error) error {
	where := func(a *attributes) {
		a.text(unix.NFTA_SET_ELEM_LIST_TABLE, table)
		a.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	}
	return s.dump(unix.NFT_MSG_GETSETELEM, where, func(body []byte) error { return parseElements(body, visit) })
}

// object is a table, chain, set or rule that the kernel has: its name, of a rule its chain's, and its attributes.
type object struct {
	name string
	body []byte
}

// objectKind is how to ask for the objects of a table: the request, the attributes with the table's and their own name.
type objectKind struct {
	request, table, name uint16
}

var (
	tableObjects = objectKind{unix.NFT_MSG_GETTABLE, unix.NFTA_TABLE_NAME, unix.NFTA_TABLE_NAME}
	chainObjects = objectKind{unix.NFT_MSG_GETCHAIN, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME}
	setObjects   = objectKind{unix.NFT_MSG_GETSET, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME}
	ruleObjects  = objectKind{unix.NFT_MSG_GETRULE, unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN}
)

// dumpObjects lists the objects of a kind that a table has, rules in their order. Without the table there are none.
func (s *socket) dumpObjects(kind objectKind, table string) ([]object, error) {
	var objects []object
	where := func(a *attributes) {
		if kind == setObjects || kind == ruleObjects { // of others the kernel lists all, whatever one asks
			a.text(kind.table, table)
		}
	}
	err := s.dump(kind.request, where, func(body []byte) error {
		o, of, err := parseObject(kind, body)
		if err == nil && of == table {
			o.body = bytes.Clone(o.body)
			objects = append(objects, o)
		}
		return err
	})
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	return objects, err
}

func parseObject(kind objectKind, body []byte) (o object, table string, err error) {
	o.body = body
	err = parse(body, func(attribute uint16, value []byte) error {
		if attribute == kind.table {
			if err := parseText(value, &table); err != nil {
				return err
			}
		}
		if attribute == kind.name {
			return parseText(value, &o.name)
		}
		return nil
	})
	return o, table, err
}
