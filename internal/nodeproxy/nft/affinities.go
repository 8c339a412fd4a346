package nft

import (
	"fmt"
	"maps"
	"slices"
)

// Affinities are the numbers of the endpoints that clients stick to by now, sorted, each once; none, where there is no
// table. Endpoints that have gone are among them, for as long as the timeout was: if such a number were given to another
// endpoint, the clients would go there.
//
// It is meant for the start: it takes about a microsecond a client.
func (k *Kernel) Affinities() ([]List, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	numbers := map[List]bool{}
	// The kernel leaves elements out while it enlarges the map, so once more until nothing comes.
	for before := -1; before < len(numbers); {
		before = len(numbers)
		if err := k.readAffinities(numbers); err != nil {
			return nil, fmt.Errorf("reading who sticks in table %s: %w", TableName, err)
		}
	}
	return slices.Sorted(maps.Keys(numbers)), nil
}

func (k *Kernel) readAffinities(numbers map[List]bool) error {
	present, err := k.presentSets()
	if err != nil {
		return err
	}
	for _, f := range []Family{IPv4, IPv6} {
		s := sets[setID{kind: affinityKind, family: f}]
		if p, ok := present[s.name]; !ok || p.shape != s.shape() {
			continue // and what is in it goes with it
		}
		err := k.socket.dumpElements(TableName, s.name, func(e entry) error {
			if len(e.value) != 4 {
				return errMalformed
			}
			numbers[List(host.Uint32(e.value))] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
