package rules

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

func wishFor(namespace, name, port string) Wish {
	return Wish{
		Service: types.NamespacedName{Namespace: namespace, Name: name},
		Request: serviceports.Request{Role: serviceports.Traffic, Ports: []serviceports.Port{{Name: port, Port: 80}}},
	}
}

func stable(ranges string) (*Pool, *bitmap.Set) {
	p := &Pool{Name: "p", Numbers: parse(ranges), Spec: v1alpha1.NodePortPoolSpec{Strategy: v1alpha1.StrategyStable}}
	first, last := p.Numbers[0].From, p.Numbers[len(p.Numbers)-1].To
	free := bitmap.New(first, last)
	for _, hole := range (Ranges{{From: first, To: last}}).Subtract(p.Numbers) {
		free.TakeRun(hole.From, hole.To)
	}
	return p, free
}

func never() uint32 { panic("a stable pick is not random") }

// Never change these: clusters in production rely on getting the same number for the same wish.
func TestTheStableStrategyIsFrozen(t *testing.T) {
	healthCheck := Wish{Service: types.NamespacedName{Namespace: "shop", Name: "web"}, Request: serviceports.Request{Role: serviceports.HealthCheck}}
	for _, c := range []struct {
		name, ranges string
		wish         Wish
		want         int32
	}{
		{"shop/web http", "30000-32767", wishFor("shop", "web", "http"), 30774},
		{"shop/web https", "30000-32767", wishFor("shop", "web", "https"), 31901},
		{"shop/web unnamed", "30000-32767", wishFor("shop", "web", ""), 31292},
		{"shop/web health check", "30000-32767", healthCheck, 31868},
		{"shop/api http", "30000-32767", wishFor("shop", "api", "http"), 30381},
		{"shop-prod/web http", "30000-32767", wishFor("shop-prod", "web", "http"), 32754},
		{"monitoring/prometheus web", "30000-32767", wishFor("monitoring", "prometheus", "web"), 31502},
		{"a hundred numbers", "30100-30199", wishFor("shop", "web", "http"), 30183},
		{"the next hundred", "30200-30299", wishFor("shop", "web", "http"), 30252},
		{"both hundreds", "30100-30299", wishFor("shop", "web", "http"), 30183},
		{"a range with a hole", "30100-30149,30500-30549", wishFor("shop", "web", "http"), 30522},
		{"one number", "30500", wishFor("shop", "web", "http"), 30500},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool, free := stable(c.ranges)
			if got, ok := Pick(pool, free, c.wish, never); got != c.want || !ok {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// A wish ranks the numbers once for all: whoever takes others, and whatever range they are in.
func TestAStablePickDoesNotMoveWhileItsNumberIsFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool, free := stable("30000-30063")
		wish := wishFor("shop", rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "name"), "http")
		first, _ := Pick(pool, free, wish, never)
		for _, n := range rapid.SliceOfN(rapid.Int32Range(30000, 30063), 0, 63).Draw(t, "taken") {
			if n != first {
				free.Take(n)
			}
		}
		if got, _ := Pick(pool, free, wish, never); got != first {
			t.Fatalf("got %d, before it was %d", got, first)
		}
		free.Take(first)
		second, ok := Pick(pool, free, wish, never)
		free.GiveBack(first)
		if got, _ := Pick(pool, free, wish, never); got != first || ok && second == first {
			t.Fatalf("got %d after %d was given back, meanwhile %d", got, first, second)
		}
	})
}

func TestARandomPickIsAFreeNumberOfThePool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool, free := stable("30100-30109,30200-30209")
		pool.Spec.Strategy = v1alpha1.StrategyRandom
		for _, n := range rapid.SliceOf(rapid.Int32Range(30100, 30209)).Draw(t, "taken") {
			free.Take(n)
		}
		got, ok := Pick(pool, free, wishFor("shop", "web", "http"), func() uint32 { return rapid.Uint32().Draw(t, "random") })
		if ok != (free.Free() > 0) || ok && (free.Taken(got) || !pool.Numbers.Contains(got)) {
			t.Fatalf("got %d, %v; %d are free", got, ok, free.Free())
		}
	})
}

func TestAPoolWithoutNumbersPicksNone(t *testing.T) {
	if n, ok := Pick(&Pool{}, &bitmap.Set{}, wishFor("shop", "web", "http"), never); ok {
		t.Errorf("got %d", n)
	}
}
