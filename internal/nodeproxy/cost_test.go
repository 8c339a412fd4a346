package nodeproxy

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// batch is what a kernel was given at once: how many elements of each set went and came.
type batch struct {
	whole     bool // the rules were looked at, too
	gone, new map[string]int
}

// notingKernel notes what it is given.
type notingKernel struct {
	*nft.Kernel
	given []batch
}

func (k *notingKernel) note(whole bool, changes []nft.Change) {
	b := batch{whole: whole, gone: map[string]int{}, new: map[string]int{}}
	for _, c := range changes {
		for _, e := range c.Delete {
			b.gone[e.Key.Set()]++
		}
		for _, e := range c.Add {
			b.new[e.Key.Set()]++
		}
	}
	k.given = append(k.given, b)
}

func (k *notingKernel) Install(rules nft.Rules, changes ...nft.Change) error {
	k.note(true, changes)
	return k.Kernel.Install(rules, changes...)
}

func (k *notingKernel) Apply(changes ...nft.Change) error {
	k.note(false, changes)
	return k.Kernel.Apply(changes...)
}

// deeds are what is done to one Service among others, in this order. Each is one event that changes something: of two the
// loop may take the first before the second comes.
var deeds = []struct {
	name string
	do   func(*world)
}{
	{"an endpoint comes", func(w *world) { w.serve("shop/web", "10.244.1.1", "10.244.1.2", "10.244.1.3") }},
	{"the first endpoint goes", func(w *world) { w.serve("shop/web", "10.244.1.2", "10.244.1.3") }},
	{"no endpoint is left", func(w *world) { w.serve("shop/web") }},
	{"there are endpoints again", func(w *world) { w.serve("shop/web", "10.244.1.1") }},
	{"it has another node port", func(w *world) { w.put("shop/web", "10.96.0.1", 30001, "10.244.1.1") }},
	{"another Service comes", func(w *world) { w.put("shop/late", "10.96.0.2", 30002) }},
	{"it gets endpoints", func(w *world) { w.serve("shop/late", "10.244.1.4", "10.244.1.5") }},
	{"they go", func(w *world) { w.serve("shop/late") }},
	{"it goes", func(w *world) { w.clear("shop/late") }},
}

// costs are what the kernel is given for each deed on a node that has so many Services beside the one.
func costs(w *world, namespace *testnet.Namespace, others int) map[string][]batch {
	w.put("shop/web", "10.96.0.1", 30000, "10.244.1.1", "10.244.1.2")
	for i := range others {
		// Each with a node port of its own as long as there are numbers.
		w.put(fmt.Sprint("crowd/", i), fmt.Sprintf("10.96.%d.%d", 1+i/250, 1+i%250), 10000+int32(i), fmt.Sprintf("10.245.%d.%d", i/250, 1+i%250))
	}
	l := &life{world: w, namespace: namespace}
	k := &notingKernel{Kernel: l.open()}
	w.kernel = k
	w.start()
	all := map[string][]batch{}
	for _, deed := range deeds {
		k.given = nil
		deed.do(w)
		w.pass(0)
		all[deed.name] = k.given
	}
	w.stop()
	w.must(k.Remove())
	w.must(k.Close())
	return all
}

// How long the batch of a change is as nf_tables reads it, and how many chains, sets and rules there are, is measured in
// package nft.
func TestAChangeCostsTheSameHoweverManyServicesThereAre(t *testing.T) {
	namespace := testnet.New(t)
	var few map[string][]batch
	for _, others := range []int{0, 99, 4999} {
		var got map[string][]batch
		synctest.Test(t, func(t *testing.T) { got = costs(newWorld(t), namespace, others) })
		if few == nil {
			few = got
			t.Logf("%+v", few)
		}
		for name, batches := range got {
			if len(batches) == 0 {
				t.Errorf("beside %d Services, when %s: the kernel is given nothing", others, name)
			}
		}
		if diff := cmp.Diff(few, got, cmp.AllowUnexported(batch{})); diff != "" {
			t.Errorf("beside %d Services (-alone +beside them)\n%s", others, diff)
		}
	}
}
