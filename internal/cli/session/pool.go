package session

import (
	"fmt"
	"slices"

	"github.com/portolan-dev/portolan/internal/cli/picture"
)

// KnownPool is an error where nothing in the picture is of a pool of that name; "" is none. A pool that has gone is known as
// long as numbers are of it.
func KnownPool(p *picture.Picture, name string) error {
	isIt := func(a picture.Area) bool { return a.Name == name }
	isOf := func(n picture.Number) bool { return n.PoolName() == name }
	if name == "" || slices.ContainsFunc(p.Areas(), isIt) || slices.ContainsFunc(p.Taken(), isOf) {
		return nil
	}
	return NoPool(name)
}

// NoPool says that nobody knows of a pool.
func NoPool(name string) error {
	return fmt.Errorf("there is no pool %q, or it is not yours to see: `kubectl get npp` lists them all, `kubectl get npu` those of your namespace", name)
}
