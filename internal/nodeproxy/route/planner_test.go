package route

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// lines are a change as text: what is deleted, then what is added.
func (c Change) lines() []string {
	var all []string
	for _, e := range c.Delete {
		all = append(all, "- "+e.Key.Set()+" "+e.String())
	}
	for _, e := range c.Add {
		all = append(all, "+ "+e.Key.Set()+" "+e.String())
	}
	return all
}

// wantLines wants a change that reads so, in any order.
func wantLines(t *testing.T, c Change, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, c.lines(), cmpopts.EquateEmpty(), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// backed is web with endpoints.
func backed(addresses ...string) (*st.Service, *st.Slice) {
	svc, slice := web()
	for _, a := range addresses {
		slice.Endpoint(a)
	}
	return svc, slice
}

func TestAChangeHoldsWhatDiffersAndNoMore(t *testing.T) {
	w := newWorld(t)
	wantLines(t, w.serve(backed()), "+ cluster-ips4 10.96.0.10", "+ service4 10.96.0.10 . tcp . 80 : refuse")
	w.do(w.planner.Prune())
	for _, step := range []struct {
		name      string
		endpoints []string
		want      []string
	}{
		{"the first", []string{"10.0.0.1"}, []string{
			"- service4 10.96.0.10 . tcp . 80 : refuse",
			"+ endpoints4 1 . 0 : 10.0.0.1 . 8080",
			"+ service4 10.96.0.10 . tcp . 80 : pick-1 of list 1",
		}},
		{"the same", []string{"10.0.0.1"}, nil},
		{"three more", []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}, []string{
			"- service4 10.96.0.10 . tcp . 80 : pick-1 of list 1",
			"+ endpoints4 1 . 1 : 10.0.0.2 . 8080",
			"+ endpoints4 1 . 2 : 10.0.0.3 . 8080",
			"+ endpoints4 1 . 3 : 10.0.0.4 . 8080",
			"+ service4 10.96.0.10 . tcp . 80 : pick-4 of list 1",
		}},
		{"one goes: the last takes its slot", []string{"10.0.0.1", "10.0.0.3", "10.0.0.4"}, []string{
			"- endpoints4 1 . 1 : 10.0.0.2 . 8080",
			"- endpoints4 1 . 3 : 10.0.0.4 . 8080",
			"- service4 10.96.0.10 . tcp . 80 : pick-4 of list 1",
			"+ endpoints4 1 . 1 : 10.0.0.4 . 8080",
			"+ service4 10.96.0.10 . tcp . 80 : pick-3 of list 1",
		}},
		{"one for another: the word stays", []string{"10.0.0.3", "10.0.0.4", "10.0.0.5"}, []string{
			"- endpoints4 1 . 0 : 10.0.0.1 . 8080",
			"+ endpoints4 1 . 0 : 10.0.0.5 . 8080",
		}},
		{"the last slot and another go", []string{"10.0.0.4"}, []string{
			"- endpoints4 1 . 0 : 10.0.0.5 . 8080",
			"- endpoints4 1 . 1 : 10.0.0.4 . 8080",
			"- endpoints4 1 . 2 : 10.0.0.3 . 8080",
			"- service4 10.96.0.10 . tcp . 80 : pick-3 of list 1",
			"+ endpoints4 1 . 0 : 10.0.0.4 . 8080",
			"+ service4 10.96.0.10 . tcp . 80 : pick-1 of list 1",
		}},
		{"none left", nil, []string{
			"- endpoints4 1 . 0 : 10.0.0.4 . 8080",
			"- service4 10.96.0.10 . tcp . 80 : pick-1 of list 1",
			"+ service4 10.96.0.10 . tcp . 80 : refuse",
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			wantLines(t, w.serve(backed(step.endpoints...)), step.want...)
		})
	}
	wantLines(t, w.set("shop/web", Plan{}), "- cluster-ips4 10.96.0.10", "- service4 10.96.0.10 . tcp . 80 : refuse")
	if len(w.table) > 0 {
		t.Errorf("left behind: %s", w.table)
	}
}

func TestAnEndpointKeepsItsIDWhileItsListHasIt(t *testing.T) {
	w := newWorld(t)
	sticky := func(timeout time.Duration, addresses ...string) Change {
		svc, slice := backed(addresses...)
		return w.serve(svc.Affinity(timeout), slice)
	}
	sticky(time.Minute, "10.0.0.1", "10.0.0.2", "10.0.0.3")
	w.do(w.planner.Prune())
	wantLines(t, sticky(time.Minute, "10.0.0.2", "10.0.0.3"),
		"- slots 1 . 0 : 2",
		"- endpoints4 2 . 0 : 10.0.0.1 . 8080",
		"- slots 1 . 2 : 4",
		"- service4 10.96.0.10 . tcp . 80 : stick-3-60 of list 1",
		"+ slots 1 . 0 : 4",
		"+ service4 10.96.0.10 . tcp . 80 : stick-2-60 of list 1")
	wantLines(t, sticky(time.Hour, "10.0.0.2", "10.0.0.3"),
		"- service4 10.96.0.10 . tcp . 80 : stick-2-60 of list 1",
		"+ service4 10.96.0.10 . tcp . 80 : stick-2-3600 of list 1")
	// Who comes back is somebody else: a client that has not been there since starts anew.
	wantLines(t, sticky(time.Hour, "10.0.0.1", "10.0.0.2", "10.0.0.3"),
		"- service4 10.96.0.10 . tcp . 80 : stick-2-3600 of list 1",
		"+ slots 1 . 2 : 5",
		"+ endpoints4 5 . 0 : 10.0.0.1 . 8080",
		"+ service4 10.96.0.10 . tcp . 80 : stick-3-3600 of list 1")
}

func TestAffinityThatComesOrGoesMakesAnotherList(t *testing.T) {
	w := newWorld(t)
	w.serve(backed("10.0.0.1"))
	svc, slice := backed("10.0.0.1")
	wantLines(t, w.serve(svc.Affinity(time.Minute), slice),
		"- endpoints4 1 . 0 : 10.0.0.1 . 8080",
		"- service4 10.96.0.10 . tcp . 80 : pick-1 of list 1",
		"+ slots 2 . 0 : 3",
		"+ endpoints4 3 . 0 : 10.0.0.1 . 8080",
		"+ service4 10.96.0.10 . tcp . 80 : stick-1-60 of list 2")
	wantLines(t, w.serve(backed("10.0.0.1")),
		"- slots 2 . 0 : 3",
		"- endpoints4 3 . 0 : 10.0.0.1 . 8080",
		"- service4 10.96.0.10 . tcp . 80 : stick-1-60 of list 2",
		"+ endpoints4 4 . 0 : 10.0.0.1 . 8080",
		"+ service4 10.96.0.10 . tcp . 80 : pick-1 of list 4")
}

func TestWhatServicesShareStaysWhileOneNeedsIt(t *testing.T) {
	w := newWorld(t)
	slice := func(name string) *st.Slice {
		return st.MakeSlice(name, "a").Port("http", 8080).Endpoint("10.244.1.2", st.OnNode("node-1"))
	}
	service := func(name, clusterIP string) *st.Service {
		return st.MakeService(name).ClusterIPs(clusterIP).Port(80, st.Named("http"))
	}
	hairpin := func() bool {
		_, ok := w.table[nft.Hairpin(nft.TCP, addrPorts("10.244.1.2:8080")[0]).Key]
		return ok
	}
	w.serve(service("shop/a", "10.96.0.1"), slice("shop/a"))
	w.serve(service("shop/b", "10.96.0.2"), slice("shop/b"))
	// One that is asked for twice by the same Service.
	w.serve(service("shop/b", "10.96.0.2").Port(81, st.Named("http2")), slice("shop/b").Port("http2", 8080))
	for _, step := range []struct {
		gone string
		want bool
	}{{"shop/a", true}, {"shop/b", false}} {
		w.set(step.gone, Plan{})
		if got := hairpin(); got != step.want {
			t.Errorf("without %s there is a hairpin: %t, want %t", step.gone, got, step.want)
		}
	}
}

func TestOfTwoServicesThatClaimAFrontendTheOlderHasIt(t *testing.T) {
	const contested = "192.0.2.1:80"
	service := func(name, clusterIP string, created time.Time) (*st.Service, *st.Slice) {
		return st.MakeService(name).ClusterIPs(clusterIP).Port(80, st.Named("http")).ExternalIPs("192.0.2.1").Created(created),
			st.MakeSlice(name, "a").Port("http", 8080).Endpoint("10.0.0." + clusterIP[len(clusterIP)-1:])
	}
	w := newWorld(t)
	holder := func(want string) {
		t.Helper()
		if got := w.trace("198.51.100.9", contested); got != "sent to "+want+":8080 (masqueraded)" {
			t.Errorf("the frontend leads to %s, want %s", got, want)
		}
	}
	conflicts := func(c Change, want ...string) {
		t.Helper()
		var got []string
		for _, o := range c.Conflicts {
			got = append(got, o.Frontend.String()+": "+o.Winner.Name+" before "+o.Loser.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("conflicts (-want +got)\n%s", diff)
		}
	}
	const at = contested + "/tcp: "
	conflicts(w.serve(service("shop/two", "10.96.0.2", monday)))
	conflicts(w.serve(service("shop/three", "10.96.0.3", monday.Add(time.Hour))), at+"two before three")
	holder("10.0.0.2")
	conflicts(w.serve(service("shop/one", "10.96.0.1", monday.Add(-time.Hour))), at+"one before two", at+"one before three")
	holder("10.0.0.1")
	conflicts(w.serve(service("shop/one", "10.96.0.1", monday.Add(-time.Hour))))
	w.set("shop/two", Plan{})
	holder("10.0.0.1")
	w.set("shop/one", Plan{})
	holder("10.0.0.3")
	if left := w.planner.Conflicts(); len(left) > 0 {
		t.Errorf("conflicts left: %v", left)
	}
}

func TestNobodyTakesAClusterIPByAskingForItAsAnExternalIP(t *testing.T) {
	w := newWorld(t)
	thief := st.MakeService("other/thief").ClusterIPs("10.96.0.66").Port(80, st.Named("http")).ExternalIPs("10.96.0.10").Created(monday.Add(-time.Hour))
	w.serve(thief, st.MakeSlice("other/thief", "a").Port("http", 8080).Endpoint("10.0.0.66"))
	c := w.serve(backed("10.0.0.1"))
	if got := w.trace("10.244.1.9", "10.96.0.10:80"); got != "sent to 10.0.0.1:8080 (masqueraded)" {
		t.Errorf("the cluster IP leads to %s", got)
	}
	if len(c.Conflicts) != 1 || c.Conflicts[0].Winner != named("shop/web") {
		t.Errorf("conflicts: %v", c.Conflicts)
	}
}

func TestAServiceIsRefusedWhenNoIDIsLeft(t *testing.T) {
	w := newWorld(t)
	w.planner.ids.Last = 2
	service := func(name, clusterIP string) Plan {
		return planOf(st.MakeService(name).ClusterIPs(clusterIP).Port(80, st.Named("http")), st.MakeSlice(name, "a").Port("http", 8080).Endpoint("10.0.0.1"))
	}
	w.set("shop/a", service("shop/a", "10.96.0.1"))
	w.set("shop/b", service("shop/b", "10.96.0.2"))
	c, err := w.planner.Set(named("shop/c"), service("shop/c", "10.96.0.3"))
	if !errors.Is(err, ErrFull) || !c.Empty() || len(c.Flows) > 0 {
		t.Errorf("got %v, %v", c, err)
	}
	w.set("shop/a", Plan{})
	w.set("shop/c", service("shop/c", "10.96.0.3"))
}

func TestAServiceWithAffinityIsRefusedWhenNoIDIsLeftForItsEndpoints(t *testing.T) {
	w := newWorld(t)
	w.planner.ids.Last = 3
	sticky := func(addresses ...string) Plan {
		svc, slice := backed(addresses...)
		return planOf(svc.Affinity(time.Minute), slice)
	}
	w.set("shop/web", sticky("10.0.0.1", "10.0.0.2"))
	w.set("shop/web", sticky("10.0.0.2"))
	w.set("shop/web", sticky("10.0.0.1", "10.0.0.2"))
	if _, err := w.planner.Set(named("shop/web"), sticky("10.0.0.1", "10.0.0.2", "10.0.0.3")); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
}

func TestAClientsAffinityMeetsNoStrangerAfterARestart(t *testing.T) {
	w := newWorld(t)
	sticky := func(addresses ...string) {
		svc, slice := backed(addresses...)
		w.serve(svc.Affinity(time.Minute), slice)
	}
	sticky("10.0.0.1", "10.0.0.2")
	// Of two clients one was sent to the endpoint with id 3, the other, before that, to one with id 5.
	w.planner = NewPlanner(maps.Clone(w.table), slices.Values([]nft.List{3, 5}))
	sticky("10.0.0.1")
	w.do(w.planner.Prune())
	sticky("10.0.0.1", "10.0.0.3", "10.0.0.4")
	for _, number := range []nft.List{3, 5} {
		if endpoint, ok := w.table.EndpointAt(nft.IPv4, number, 0); ok {
			t.Errorf("%s has id %d, which some client remembers", endpoint, number)
		}
	}
}

func TestAListTakesNoMoreEndpointsThanItsWordCanSay(t *testing.T) {
	svc, slice := web()
	for i := range nft.MaxEndpoints + 5 {
		slice.Endpoint(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	plan := planOf(svc, slice)
	if got := len(plan.lists()[0].endpoints); got != nft.MaxEndpoints {
		t.Errorf("got %d", got)
	}
}

func TestTheNetworkIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.do(w.planner.SetNetwork(Network{NodePortIPs: ips("192.168.0.1", "192.168.0.1"), ServiceCIDRs: prefixes("10.96.0.0/24")}))
	wantLines(t, w.do(w.planner.SetNetwork(Network{
		NodePortIPs:  ips("192.168.0.1"),
		ServiceCIDRs: prefixes("10.96.0.7/16", "10.96.0.0/24", "fd00::/112"),
		Pods:         prefixes("10.244.1.0/24", "10.244.1.128/25"),
	})),
		"- service-cidrs4 10.96.0.0/24",
		"+ pods4 10.244.1.0/24", "+ service-cidrs4 10.96.0.0/16", "+ service-cidrs6 fd00::/112")
	wantLines(t, w.do(w.planner.SetNetwork(Network{})),
		"- nodeport-ips4 192.168.0.1", "- pods4 10.244.1.0/24", "- service-cidrs4 10.96.0.0/16", "- service-cidrs6 fd00::/112")
}

func TestTheTallyCountsWhatIsThere(t *testing.T) {
	w := town(t)
	want := Tally{
		Services: 7,
		Ports:    8,
		IPv4:     FamilyTally{Frontends: 21, Lists: 8, Endpoints: 14, NoLocalInternal: 1, NoLocalExternal: 1},
		IPv6:     FamilyTally{Frontends: 3, Lists: 1, Endpoints: 2},
	}
	if got := w.planner.Tally(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for name := range w.planner.services {
		w.set(name.String(), Plan{})
	}
	if got := w.planner.Tally(); got != (Tally{}) {
		t.Errorf("with nothing left: %+v", got)
	}
}
