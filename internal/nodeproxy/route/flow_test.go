package route

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// flows are a change's, as text.
func (c Change) flows() []string {
	all := []string{}
	for _, f := range c.Flows {
		all = append(all, strings.TrimSpace(f.Frontend.String()+" -> "+strings.Join(texts(f.Serving), " ")))
	}
	return all
}

func dns(endpoints func(*st.Slice)) (*st.Service, *st.Slice) {
	slice := st.MakeSlice("shop/dns", "a").Port("dns", 5353, st.UDP)
	endpoints(slice)
	return st.MakeService("shop/dns").ClusterIPs("10.96.0.10").Port(53, st.UDP, st.Named("dns")).Created(monday), slice
}

func one(s *st.Slice)  { s.Endpoint("10.0.0.1") }
func two(s *st.Slice)  { s.Endpoint("10.0.0.1").Endpoint("10.0.0.2") }
func none(*st.Slice)   {}
func last(s *st.Slice) { s.Endpoint("10.0.0.1", st.Lasting).Endpoint("10.0.0.2") }

func TestFlowsAreLookedAtWhenTheirEndpointMayHaveGone(t *testing.T) {
	const front = "10.96.0.10:53/udp ->"
	for _, tc := range []struct {
		name        string
		before, now func(*st.Slice)
		want        []string
	}{
		{"one comes", one, two, nil},
		{"one goes", two, one, []string{front + " 10.0.0.1:5353"}},
		{"the last goes", one, none, []string{front}},
		{"the first comes", none, one, nil},
		{"one terminates, and serves on", two, last, nil},
		{"one has another port", one, func(s *st.Slice) { *s = *st.MakeSlice("shop/dns", "a").Port("dns", 5454, st.UDP).Endpoint("10.0.0.1") },
			[]string{front + " 10.0.0.1:5454"}},
		{"nothing changes", two, two, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.serve(dns(tc.before))
			if got := w.serve(dns(tc.now)).flows(); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestFlowsOfAFrontendThatIsNewAreLookedAt(t *testing.T) {
	w := newWorld(t)
	svc, slice := dns(two)
	w.serve(svc, slice)
	got := w.serve(svc.NodePort(54, 30054, st.UDP, st.Named("dns")), slice).flows()
	want := []string{"IPv4 node port 30054/udp -> 10.0.0.1:5353 10.0.0.2:5353", "10.96.0.10:54/udp -> 10.0.0.1:5353 10.0.0.2:5353"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFlowsEndWithTheirFrontendButNotWithAHandover(t *testing.T) {
	for _, tc := range []struct {
		name string
		plan Plan
		want []string
	}{
		{"the Service has gone", Plan{}, []string{"10.96.0.10:53/udp ->"}},
		{"another proxy serves it", Plan{HandedOver: true}, []string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.serve(dns(two))
			if got := w.set("shop/dns", tc.plan).flows(); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestFlowsAreLookedAtWhenAnotherServiceTakesTheFrontend(t *testing.T) {
	w := newWorld(t)
	svc, slice := dns(one)
	w.serve(svc.ExternalIPs("192.0.2.1"), slice)
	older := st.MakeService("shop/older").ClusterIPs("10.96.0.20").Port(53, st.UDP, st.Named("dns")).ExternalIPs("192.0.2.1").Created(monday.Add(-time.Hour))
	got := w.serve(older, st.MakeSlice("shop/older", "a").Port("dns", 5353, st.UDP).Endpoint("10.0.0.9")).flows()
	want := []string{"10.96.0.20:53/udp -> 10.0.0.9:5353", "192.0.2.1:53/udp -> 10.0.0.9:5353"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"10.96.0.20:53/udp ->", "192.0.2.1:53/udp -> 10.0.0.1:5353"}, w.set("shop/older", Plan{}).flows()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFlowsOfTCPAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	if got := append(w.serve(backed("10.0.0.1", "10.0.0.2")).flows(), w.serve(backed("10.0.0.1")).flows()...); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}
