package nodeproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// Whatever happens to Services, to the node, to the kernel and to the node-proxy itself, in the end the kernel holds what
// a node-proxy writes that begins on a new node. For more of it:
//
//	go test ./internal/nodeproxy -run TestWhateverHappens -rapid.checks=10000 -timeout=2h
func TestWhateverHappensTheKernelEndsAsAfterAFreshStart(t *testing.T) {
	namespace, fresh := testnet.New(t), testnet.New(t)
	rapid.Check(t, func(r *rapid.T) {
		story := anyStory.Draw(r, "story")
		var failure string
		synctest.Test(t, func(t *testing.T) { failure = play(newWorld(t), namespace, fresh, story) })
		if failure != "" {
			r.Fatal(failure)
		}
	})
}

// event is one thing that happens, in words and in deed.
type event struct {
	words string
	do    func(*life)
}

// GoString is how a story that ends badly is told.
func (e event) GoString() string { return e.words }

// life is a world with a kernel that may fail, and be edited while no node-proxy runs.
type life struct {
	*world
	namespace *testnet.Namespace
	faulty    *faultyKernel
}

// play plays a story to its end, and says what is wrong then.
func play(w *world, namespace, fresh *testnet.Namespace, story []event) string {
	l := &life{world: w, namespace: namespace}
	l.begin()
	for _, e := range story {
		e.do(l)
	}
	l.faulty.fail(nil)
	l.pass(2 * time.Minute) // for back-off
	got, failure := l.agent.Status(), ""
	held, err := l.faulty.Read()
	l.must(err)
	l.finish()

	other := &life{world: w, namespace: fresh}
	other.begin()
	want := other.agent.Status()
	wanted, err := other.faulty.Read()
	other.must(err)
	other.finish()

	if got.Failure != nil {
		failure = fmt.Sprintf("it is out of step: %v\n", got.Failure)
	}
	failure += diff("table", wanted.Canonical().String(), held.Canonical().String())
	failure += diff("tally", want.Tally, got.Tally)
	return failure + diff("node ports", want.NodePorts, got.NodePorts)
}

func diff(what string, fresh, got any) string {
	if d := cmp.Diff(fresh, got); d != "" {
		return fmt.Sprintf("%s (-fresh +got)\n%s", what, d)
	}
	return ""
}

// begin starts a node-proxy, with a new connection to the kernel.
func (l *life) begin() {
	l.faulty = &faultyKernel{Kernel: l.open()}
	l.world.kernel = l.faulty
	l.start()
}

func (l *life) open() *nft.Kernel {
	var k *nft.Kernel
	l.must(l.namespace.Do(func() (err error) {
		k, err = nft.Open()
		return err
	}))
	return k
}

// halt ends the node-proxy; the kernel keeps what it has.
func (l *life) halt() {
	l.stop()
	l.must(l.faulty.Close())
}

// finish leaves the namespace as it was.
func (l *life) finish() {
	l.stop()
	l.must(l.faulty.Remove())
	l.must(l.faulty.Close())
}

// edit does what somebody does by hand while no node-proxy runs.
func (l *life) edit(change func(nft.Table) nft.Change) {
	k := l.open()
	defer k.Close()
	held, err := k.Read()
	l.must(err)
	l.must(k.Install(nft.Rules{}, change(held)))
}

// faultyKernel is a kernel that fails as a test says: the calls to come, one after another.
type faultyKernel struct {
	*nft.Kernel
	mu     sync.Mutex // guards faults
	faults []fault
}

// fault is how a call fails.
type fault int

const (
	none fault = iota
	refused
	unheard // it is done, but the answer is lost
)

func (k *faultyKernel) fail(faults []fault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults = faults
}

func (k *faultyKernel) call(do func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := none
	if len(k.faults) > 0 {
		now, k.faults = k.faults[0], k.faults[1:]
	}
	if now == refused {
		return unix.ENOBUFS
	}
	if err := do(); err != nil || now == none {
		return err
	}
	return nft.ErrDoubt
}

func (k *faultyKernel) Read() (held nft.Table, err error) {
	err = k.call(func() error {
		held, err = k.Kernel.Read()
		return err
	})
	return held, err
}

func (k *faultyKernel) Install(rules nft.Rules, changes ...nft.Change) error {
	return k.call(func() error { return k.Kernel.Install(rules, changes...) })
}

func (k *faultyKernel) Apply(changes ...nft.Change) error {
	return k.call(func() error { return k.Kernel.Apply(changes...) })
}

// The stories. Few names, addresses and numbers, so that Services meet each other, and themselves of before.

var (
	someNames  = rapid.SampledFrom([]string{"a/one", "a/two", "b/one", "b/two"})
	someShared = rapid.SampledFrom([]string{"198.51.100.1", "198.51.100.2", "2001:db8:1::1"})
	someIPs    = rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "2001:db8::1"})
	someRanges = rapid.SampledFrom([]string{"10.96.0.0/16", "10.97.0.0/24", "10.244.0.0/16", "fd00:96::/112"})
	someZones  = rapid.SampledFrom([]string{"zone-a", "zone-b"})

	anyStory = rapid.SliceOfN(anyEvent(), 1, 25)
)

func anyEvent() *rapid.Generator[event] {
	// The more often one stands here, the more often it happens.
	return rapid.OneOf(
		theirService(), theirService(), theirService(),
		theirSlice(), theirSlice(), theirSlice(), theirSlice(),
		goes(), whatTheNodeIs(), faults(), faults(), restart(), edited(), passing(),
	)
}

// theirService is a Service that comes, or changes.
func theirService() *rapid.Generator[event] {
	return rapid.Custom(func(t *rapid.T) event {
		name := someNames.Draw(t, "name")
		number := fmt.Sprint(10 + slices.Index([]string{"a/one", "a/two", "b/one", "b/two"}, name))
		svc := st.MakeService(name).ClusterIPs("10.96.0."+number, "fd00:96::"+number).LoadBalancer().AllocateNodePorts(true)
		svc.Created(monday.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "age")) * time.Hour))
		svc.ExternalIPs(rapid.SliceOfN(someShared, 0, 1).Draw(t, "external IPs")...)
		for i, option := range []st.PortOption{st.Named("tcp"), st.UDP} {
			if rapid.IntRange(0, 3).Draw(t, "port") > 0 {
				svc.NodePort(80, int32(rapid.SampledFrom([]int{0, 30001, 30002}).Draw(t, "node port")), option, st.Named(fmt.Sprint("p", i)))
			}
		}
		if rapid.Bool().Draw(t, "local") {
			svc.LocalTraffic()
		}
		if rapid.Bool().Draw(t, "sticky") {
			svc.Affinity(time.Hour)
		}
		if rapid.IntRange(0, 9).Draw(t, "another's") == 0 {
			svc.Label("service.kubernetes.io/service-proxy-name", "another")
		}
		return event{"Service " + name, func(l *life) { l.services.Modify(svc.Obj()) }}.andThen(t)
	})
}

// theirSlice is an EndpointSlice that comes, or changes.
func theirSlice() *rapid.Generator[event] {
	return rapid.Custom(func(t *rapid.T) event {
		name, suffix := someNames.Draw(t, "name"), rapid.SampledFrom([]string{"v4", "v6"}).Draw(t, "suffix")
		slice := st.MakeSlice(name, suffix).Port("p0", 8080).Port("p1", 8080, st.UDP)
		prefix := "10.244.1."
		if suffix == "v6" {
			slice.IPv6()
			prefix = "fd00:244::"
		}
		var pods []string
		for _, last := range rapid.SliceOfNDistinct(rapid.IntRange(1, 6), 0, 5, rapid.ID).Draw(t, "pods") {
			pods = append(pods, prefix+fmt.Sprint(last))
			slice.Endpoint(pods[len(pods)-1], rapid.SampledFrom([]st.EndpointOption{
				st.OnNode("node-1"), st.OnNode("node-2"), st.Unready, st.Lasting, st.ForZones("zone-a"), st.ForZones("zone-b"),
			}).Draw(t, "option"))
		}
		return event{fmt.Sprintf("slice %s-%s of %v", name, suffix, pods), func(l *life) { l.slices.Modify(slice.Obj()) }}.andThen(t)
	})
}

// goes is a Service or an EndpointSlice that goes.
func goes() *rapid.Generator[event] {
	return rapid.Custom(func(t *rapid.T) event {
		name := someNames.Draw(t, "name")
		if rapid.Bool().Draw(t, "the Service") {
			return event{"no Service " + name, func(l *life) { l.services.Delete(st.MakeService(name).Obj()) }}.andThen(t)
		}
		return event{"no slice " + name, func(l *life) { l.slices.Delete(st.MakeSlice(name, "v4").Obj()) }}.andThen(t)
	})
}

// andThen may let the node-proxy finish with what has happened, before something else does.
func (e event) andThen(t *rapid.T) event {
	if !rapid.Bool().Draw(t, "in peace") {
		return e
	}
	return event{e.words + ", in peace", func(l *life) {
		e.do(l)
		synctest.Wait()
	}}
}

func whatTheNodeIs() *rapid.Generator[event] {
	return rapid.Custom(func(t *rapid.T) event {
		v := view()
		v.Node.Zone = someZones.Draw(t, "zone")
		v.Network.NodePortIPs = parsed(netip.MustParseAddr, rapid.SliceOfN(someIPs, 0, 2).Draw(t, "node port IPs"))
		v.Network.ServiceCIDRs = parsed(netip.MustParsePrefix, rapid.SliceOfN(someRanges, 0, 2).Draw(t, "service CIDRs"))
		v.Network.Pods = parsed(netip.MustParsePrefix, rapid.SliceOfN(someRanges, 0, 2).Draw(t, "pods"))
		v.PodsKnown = node.Families{IPv4: rapid.Bool().Draw(t, "pods known")}
		return event{"node " + v.Node.Zone, func(l *life) { l.node.become(v) }}.andThen(t)
	})
}

func parsed[T any](parse func(string) T, texts []string) []T {
	var all []T
	for _, text := range texts {
		all = append(all, parse(text))
	}
	return all
}

func faults() *rapid.Generator[event] {
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]fault{none, refused, unheard}), 1, 4), func(faults []fault) event {
		return event{fmt.Sprint("faults ", faults), func(l *life) { l.faulty.fail(faults) }}
	})
}

// restart is an end and a new beginning; now and then with other flags.
func restart() *rapid.Generator[event] {
	return rapid.Map(rapid.Bool(), func(upgrade bool) event {
		return event{fmt.Sprint("restart, upgrade ", upgrade), func(l *life) {
			l.halt()
			l.options.MasqueradeAll = l.options.MasqueradeAll != upgrade
			l.begin()
		}}
	})
}

// edited is a restart, while which somebody edits the table by hand, or deletes it.
func edited() *rapid.Generator[event] {
	return rapid.Custom(func(t *rapid.T) event {
		remove, few := rapid.IntRange(0, 4).Draw(t, "remove") == 0, rapid.IntRange(1, 5).Draw(t, "few")
		return event{fmt.Sprint("edited, removed ", remove), func(l *life) {
			l.halt()
			if remove {
				k := l.open()
				l.must(k.Remove())
				l.must(k.Close())
			} else {
				l.edit(func(held nft.Table) nft.Change { return meddling(held, few) })
			}
			l.begin()
		}}
	})
}

// meddling takes a few elements away, and adds one that makes no sense.
func meddling(held nft.Table, few int) nft.Change {
	var c nft.Change
	elements := held.Elements()
	slices.SortFunc(elements, func(a, b nft.Element) int { return strings.Compare(setAndText(a), setAndText(b)) })
	for i := 0; i < len(elements) && len(c.Delete) < few; i += 1 + len(elements)/few {
		c.Delete = append(c.Delete, elements[i])
	}
	odd := nft.NodePort(nft.IPv4, nft.TCP, 30999, nft.Word{Action: nft.Balance(2), List: 99})
	if _, there := held[odd.Key]; !there {
		c.Add = append(c.Add, odd)
	}
	return c
}

func setAndText(e nft.Element) string { return e.Key.Set() + " " + e.String() }

func passing() *rapid.Generator[event] {
	return rapid.Map(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute}), func(d time.Duration) event {
		return event{d.String() + " passes", func(l *life) { l.pass(d) }}
	})
}
