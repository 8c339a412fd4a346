package rules

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestConsequencesOfAChangeOfPoolsForWhatIsLive(t *testing.T) {
	live := Live{Namespaces: map[string]map[string]string{"bank": {"team": "b"}, "city": {}, "shop": {"team": "a"}, "shop-2": {"team": "a"}}}
	for _, s := range []*Service{
		MakeService("shop/web").NodePort(80, 30100), MakeService("shop/api").NodePort(80, 30105), MakeService("shop/old").NodePort(80, 31000),
		MakeService("bank/core").NodePort(80, 30200), MakeService("city/desk").NodePort(80, 31001),
	} {
		live.Services = append(live.Services, s.Obj())
	}
	a := func() *testPool { return makePool("a", "30100-30109").For("a") }
	b := func() *testPool { return makePool("b", "30200-30209").For("b") }
	const refused, warned, widened = "live Services that would be refused then, were they created now: ",
		"live Services that would be warned about then, were they created now: ", "namespaces that no pool selects then, so that they may use all numbers that are in no pool: "
	for _, c := range []struct {
		name          string
		before, after []*testPool
		want          []string
	}{
		{"nothing changes", pools(a(), b()), pools(a(), b()), nil},
		{"a first pool is made", nil, pools(a()), []string{refused + "1 (shop/old). They keep their numbers"}},
		{"a first pool is made that warns", nil, pools(a().Warn()), []string{warned + "1 (shop/old). They keep their numbers"}},
		{"a pool begins to enforce", pools(a().Warn()), pools(a()), []string{refused + "1 (shop/old). They keep their numbers"}},
		{"a pool begins to warn", pools(a()), pools(a().Warn()), nil},
		{"a range shrinks", pools(a()), pools(makePool("a", "30100-30104").For("a")), []string{refused + "1 (shop/api). They keep their numbers"}},
		{"a range moves", pools(a()), pools(makePool("a", "30300").For("a")), []string{refused + "2 (shop/api, shop/web). They keep their numbers"}},
		{"a pool takes numbers that others use", pools(b()), pools(b(), makePool("new", "31000-31009").For("b").Warn()), []string{warned + "2 (city/desk, shop/old). They keep their numbers"}},
		{"fewer ports are allowed", pools(a()), pools(a().MaxPortsPerService(0)), []string{refused + "2 (shop/api, shop/web). They keep their numbers"}},
		{"a pool is deleted", pools(a(), b()), pools(b()), []string{widened + "2 (shop, shop-2)"}},
		{"a pool is deleted, and another selects the namespaces", pools(a(), b(), makePool("all", "30300").For("a")), pools(b(), makePool("all", "30300").For("a")),
			[]string{refused + "2 (shop/api, shop/web). They keep their numbers"}},
		{"a pool selects others", pools(a(), b()), pools(makePool("a", "30100-30109").For("c"), b()),
			[]string{refused + "2 (shop/api, shop/web). They keep their numbers", widened + "2 (shop, shop-2)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Consequences(chartOf(c.before...), chartOf(c.after...), live)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestConsequencesNameAFewAndCountTheRest(t *testing.T) {
	live := Live{Namespaces: map[string]map[string]string{"shop": {"team": "a"}}}
	for i := range int32(7) {
		live.Services = append(live.Services, MakeService(fmt.Sprint("shop/web-", i)).NodePort(80, 31000+i).Obj())
	}
	want := []string{"live Services that would be refused then, were they created now: 7 (shop/web-0, shop/web-1, shop/web-2, shop/web-3, shop/web-4 and 2 more). They keep their numbers"}
	if diff := cmp.Diff(want, Consequences(chartOf(), chartOf(teamA), live)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
