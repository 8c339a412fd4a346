package soak

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
	"k8s.io/apimachinery/pkg/types"
)

// A number is a register that holds its owner, the uid of a Service. Who creates a Service takes it, who deletes one lets go of
// it, an update does either, and who reads a Service sees it. Whether an operation without an answer was done etcd says, and
// until when at the latest: it has the operation's id on the Service, or has seen it go.

// deed is what an operation does to a number.
type deed struct {
	what  string // take, drop or see
	owner types.UID
	by    string // which operation
}

var register = porcupine.Model{
	Init: func() any { return types.UID("") },
	Step: func(state, input, _ any) (bool, any) {
		owner, d := state.(types.UID), input.(deed)
		switch d.what {
		case "take":
			return owner == "", d.owner
		case "drop":
			return owner == d.owner, types.UID("")
		}
		return owner == d.owner, owner
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprint(input) },
}

// checking is how long to think about one number: it takes milliseconds.
const checking = time.Minute

// disorders are the numbers whose history no order explains. It fails where that is not known of all of them.
func (j *judge) disorders() (found []violation, err error) {
	deeds := j.deeds()
	for _, n := range slices.Sorted(maps.Keys(deeds)) {
		if j.shared[n] {
			continue // it has two owners
		}
		switch porcupine.CheckOperationsTimeout(register, deeds[n], checking) {
		case porcupine.Illegal:
			found = append(found, violation{kind: disordered, number: n, text: "see what follows"})
		case porcupine.Unknown:
			err = errors.Join(err, fmt.Errorf("number %d: porcupine does not know after %s", n, checking))
		}
		j.counts["operations checked by porcupine"] += len(deeds[n])
	}
	return found, err
}

// deeds are what was done to each number.
func (j *judge) deeds() map[int32][]porcupine.Operation {
	deeds := map[int32][]porcupine.Operation{}
	add := func(o *operation, what string, owner types.UID, numbers []int32, seen time.Duration) {
		back := o.back
		if o.outcome != done {
			back = max(o.back, seen)
		}
		for _, n := range numbers {
			deeds[n] = append(deeds[n], porcupine.Operation{Input: deed{what, owner, o.id}, Call: int64(o.call), Return: int64(back)})
		}
	}
	live := map[types.NamespacedName]*service{}
	for i := range j.changes {
		c := &j.changes[i]
		if c.service == nil {
			continue
		}
		before := live[c.service.name]
		if c.gone {
			if before != nil && j.deleted[before.uid] != nil {
				add(j.deleted[before.uid], "drop", before.uid, before.numbers, c.at)
			}
			delete(live, c.service.name)
			continue
		}
		live[c.service.name] = c.service
		if o := j.operations[c.service.by]; o != nil {
			add(o, "take", c.service.uid, without(c.service.numbers, numbersOf(before)), c.at)
			add(o, "drop", c.service.uid, without(numbersOf(before), c.service.numbers), c.at)
		}
	}
	for i := range j.history.operations {
		if o := &j.history.operations[i]; o.kind == "read" && o.outcome == done {
			add(o, "see", o.uid, o.numbers, 0)
		}
	}
	return deeds
}

// deletions are the operations that have deleted a Service: of several the one that was told so.
func deletions(operations []operation) map[types.UID]*operation {
	deletions := map[types.UID]*operation{}
	for i := range operations {
		o := &operations[i]
		if !o.deletes() || o.outcome == refused {
			continue
		}
		if known := deletions[o.uid]; known == nil || o.outcome == done {
			deletions[o.uid] = o
		}
	}
	return deletions
}

func (o *operation) deletes() bool { return strings.HasPrefix(o.kind, "delete") }

func without(numbers, those []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(numbers), func(n int32) bool { return slices.Contains(those, n) })
}
