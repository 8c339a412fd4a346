package route

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// crowd is a planner with n Services of two endpoints and a node port.
func crowd(tb testing.TB, n int) *Planner {
	p := NewPlanner(nil, nobody)
	for i := range n {
		svc, slice := member(i, 2)
		if _, err := p.Set(nameOf(svc.Obj()), planOf(svc, slice)); err != nil {
			tb.Fatal(err)
		}
	}
	p.Prune()
	return p
}

// member is one of the crowd, with so many endpoints.
func member(i, endpoints int) (*st.Service, *st.Slice) {
	name := fmt.Sprintf("crowd/member-%d", i)
	svc := st.MakeService(name).ClusterIPs(nth("10.96.0.0", i)).NodePort(80, int32(1+i%65000), st.Named("http"))
	slice := st.MakeSlice(name, "a").Port("http", 8080)
	for e := range endpoints {
		slice.Endpoint(nth("10.128.0.0", 2*i+1000000*e), st.OnNode(fmt.Sprintf("node-%d", e)))
	}
	return svc, slice
}

func nth(first string, n int) string {
	a := netip.MustParseAddr(first).As4()
	n += int(a[1])<<16 | int(a[2])<<8 | int(a[3])
	return netip.AddrFrom4([4]byte{a[0], byte(n >> 16), byte(n >> 8), byte(n)}).String()
}

func TestAChangeCostsTheSameHoweverManyServicesThereAre(t *testing.T) {
	allocations := func(services int) float64 {
		p := crowd(t, services)
		svc, with := member(7, 3)
		_, without := member(7, 2)
		plans := []Plan{planOf(svc, with), planOf(svc, without)}
		return testing.AllocsPerRun(100, func() {
			for _, plan := range plans {
				if c, err := p.Set(named("crowd/member-7"), plan); err != nil || len(c.Add) < 2 {
					t.Fatalf("%v, %v", c, err)
				}
			}
		})
	}
	if few, many := allocations(10), allocations(3000); few != many {
		t.Errorf("%v allocations among 10 Services, %v among 3,000", few, many)
	}
}

// BenchmarkOneChangedEndpoint is from the objects of one Service to its change, an endpoint coming and going.
func BenchmarkOneChangedEndpoint(b *testing.B) {
	for _, size := range []struct{ services, endpoints int }{{1000, 2}, {10000, 2}, {50000, 2}, {10000, 100}, {10000, 1000}} {
		b.Run(fmt.Sprintf("services=%d/endpoints=%d", size.services, size.endpoints), func(b *testing.B) {
			p := crowd(b, size.services)
			svc, with := member(7, size.endpoints)
			_, without := member(7, size.endpoints-1)
			name, object := nameOf(svc.Obj()), svc.Obj()
			both := [][]*endpoints.Slice{{endpoints.Of(with.Obj())}, {endpoints.Of(without.Obj())}}
			runtime.GC() // of what making the crowd left behind
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := p.Set(name, Service(object, both[i%2], thisNode, everything)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAllServices is a first plan of all Services, and says what the planner then keeps of each.
func BenchmarkAllServices(b *testing.B) {
	for _, n := range []int{1000, 10000, 50000} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			plans := make([]Plan, n)
			for i := range plans {
				plans[i] = planOf(member(i, 2))
			}
			for b.Loop() {
				before := heap()
				p := NewPlanner(nil, nobody)
				for i, plan := range plans {
					if _, err := p.Set(named(fmt.Sprintf("crowd/member-%d", i)), plan); err != nil {
						b.Fatal(err)
					}
				}
				p.Prune()
				b.ReportMetric(float64(heap()-before)/float64(n), "kept-B/service")
				runtime.KeepAlive(p)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
