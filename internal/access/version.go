package access

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Versions follow the NodePortAccess objects that a watcher has been told of, for it to say up to which change it knows
// them. Status is written to them often, and is no change: else each node would report each report of each other.
//
// The zero value is ready to use. It is not safe for concurrent use.
type Versions struct {
	generations map[types.UID]int64
	latest      string
}

// See takes note of an object as it is now. Objects are to be seen in the order in which the watch tells of them.
func (v *Versions) See(object *v1alpha1.NodePortAccess) {
	if v.generations == nil {
		v.generations = map[types.UID]int64{}
	}
	known, seen := v.generations[object.UID]
	v.generations[object.UID] = object.Generation
	if !seen || known != object.Generation {
		v.raise(object.ResourceVersion)
		return
	}
	// Who was not there at the change goes by what it saw first, which may be later, but not than this. What is no such
	// version somebody else has written.
	if wanted := object.Status.SpecResourceVersion; Reached(object.ResourceVersion, wanted) {
		v.raise(wanted)
	}
}

// Forget takes note of the end of an object, as the watch told of it last.
func (v *Versions) Forget(object *v1alpha1.NodePortAccess) {
	delete(v.generations, object.UID)
	v.raise(object.ResourceVersion)
}

// Latest is the resourceVersion of the latest change, "0" before the first.
func (v *Versions) Latest() string {
	if v.latest == "" {
		return "0"
	}
	return v.latest
}

func (v *Versions) raise(to string) {
	if Reached(to, "1") && !Reached(v.Latest(), to) {
		v.latest = to
	}
}

// Reached says whether who knows all changes up to one resourceVersion knows that of the other.
func Reached(known, wanted string) bool {
	order, err := resourceversion.CompareResourceVersion(known, wanted)
	return err == nil && order >= 0
}
