package access

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

func from(cidrs ...v1alpha1.CIDR) []v1alpha1.AccessPeer {
	var all []v1alpha1.AccessPeer
	for _, c := range cidrs {
		all = append(all, v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: c}})
	}
	return all
}

func policyOf(spec v1alpha1.NodePortAccessSpec) *Policy {
	return NewPolicy(&v1alpha1.NodePortAccess{Spec: spec})
}

func TestWhatCannotBeReadIsToldWithItsField(t *testing.T) {
	unreadable := metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "Near"}}}
	for _, test := range []struct {
		field string
		spec  v1alpha1.NodePortAccessSpec
	}{
		{"spec.serviceSelector.matchExpressions[0]", v1alpha1.NodePortAccessSpec{ServiceSelector: unreadable}},
		{"spec.serviceSelector.matchLabels[app]", v1alpha1.NodePortAccessSpec{ServiceSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "a b"}}}},
		{"spec.nodeSelector.matchExpressions[0]", v1alpha1.NodePortAccessSpec{NodeSelector: &unreadable}},
		{"spec.from[1].ipBlock.cidr", v1alpha1.NodePortAccessSpec{From: from("10.0.0.0/8", "10.0.0.0")}},
		{"spec.from[0].ipBlock.cidr", v1alpha1.NodePortAccessSpec{From: from("10.0.0.1/8")}},
		{"spec.from[0].ipBlock.cidr", v1alpha1.NodePortAccessSpec{From: from("::ffff:10.0.0.0/104")}},
		{"spec.from[0].ipBlock.cidr", v1alpha1.NodePortAccessSpec{From: from("010.0.0.0/8")}},
		{"spec.from[0].ipBlock.except[0]", v1alpha1.NodePortAccessSpec{From: []v1alpha1.AccessPeer{{
			IPBlock: v1alpha1.IPBlock{CIDR: "10.0.0.0/8", Except: []v1alpha1.CIDR{"ten"}},
		}}}},
		{"spec.interfaces[1]", v1alpha1.NodePortAccessSpec{Interfaces: []string{"eth0", strings.Repeat("e", 16)}}},
		{"spec.interfaces[0]", v1alpha1.NodePortAccessSpec{Interfaces: []string{strings.Repeat("ä", 8)}}}, // 16 bytes
		{"spec.interfaces[0]", v1alpha1.NodePortAccessSpec{Interfaces: []string{"", "br-0.1@x"}}},
		{"spec.interfaces[0]", v1alpha1.NodePortAccessSpec{Interfaces: []string{"eth0:1"}}},
		{"spec.interfaces[0]", v1alpha1.NodePortAccessSpec{Interfaces: []string{"eth/0"}}},
		{"spec.interfaces[0]", v1alpha1.NodePortAccessSpec{Interfaces: []string{"eth 0"}}},
		{"spec.addresses[0]", v1alpha1.NodePortAccessSpec{Addresses: []v1alpha1.CIDR{"192.0.2.1"}}},
		{"spec.newConnections.perSecond", v1alpha1.NodePortAccessSpec{NewConnections: &v1alpha1.ConnectionRate{Burst: 1}}},
		{"spec.newConnections.burst", v1alpha1.NodePortAccessSpec{NewConnections: &v1alpha1.ConnectionRate{PerSecond: 1, Burst: -1}}},
	} {
		p := policyOf(test.spec)
		if len(p.Problems) != 1 || p.Problems[0].Field != test.field {
			t.Errorf("%s: %v", test.field, p.Problems)
		}
		if p.GrantsOn(nil) {
			t.Errorf("%s: it lets somebody in all the same", test.field)
		}
	}
}

func TestAPolicyIsAboutWhatItSelects(t *testing.T) {
	p := policyOf(v1alpha1.NodePortAccessSpec{
		ServiceSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		Ports:           []string{"http"},
		NodeSelector:    &metav1.LabelSelector{MatchLabels: map[string]string{"edge": "true"}},
		Interfaces:      []string{"eth1"},
		Addresses:       []v1alpha1.CIDR{"192.0.2.0/24"},
	})
	address := netip.MustParseAddr
	for question, holds := range map[string]bool{
		"a Service with the label":      p.Selects(map[string]string{"app": "web", "tier": "front"}),
		"its port":                      p.SelectsPort("http"),
		"the node":                      p.GrantsOn(map[string]string{"edge": "true"}),
		"the interface and an address":  p.GrantsAt("eth1", address("192.0.2.9")),
		"not a Service without":         !p.Selects(nil),
		"not another port":              !p.SelectsPort("https"),
		"not a node without the label":  !p.GrantsOn(nil),
		"not another interface":         !p.GrantsAt("eth0", address("192.0.2.9")),
		"not another address":           !p.GrantsAt("eth1", address("198.51.100.1")),
		"not an interface nobody names": !p.GrantsAt("", address("192.0.2.9")),
	} {
		if !holds {
			t.Error(question)
		}
	}
}

func TestASelectionIsAboutTheSamePortsAndGrantsNothing(t *testing.T) {
	object := &v1alpha1.NodePortAccess{Spec: v1alpha1.NodePortAccessSpec{
		ServiceSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Ports: []string{"http"}, From: from("ten"),
	}}
	s := NewSelection(object)
	if !s.Selects(map[string]string{"app": "web"}) || s.Selects(nil) || !s.SelectsPort("http") || s.SelectsPort("https") {
		t.Errorf("it is about other ports: %+v", s)
	}
	if s.GrantsOn(nil) {
		t.Error("it lets somebody in")
	}
	if len(s.Problems) > 0 {
		t.Errorf("it reads the sources: %v", s.Problems)
	}
}

func TestTheMoreGenerousRateComesFirst(t *testing.T) {
	rates := []Rate{{}, {PerSecond: 9, Burst: 1}, {PerSecond: 5, Burst: 9}, {PerSecond: 5, Burst: 1}}
	for i, a := range rates {
		for j, b := range rates {
			if got := a.Compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%v and %v: %d", a, b, got)
			}
		}
	}
}

func TestABurstThatIsLeftOutIsFive(t *testing.T) {
	p := policyOf(v1alpha1.NodePortAccessSpec{NewConnections: &v1alpha1.ConnectionRate{PerSecond: 3}})
	if want := (Rate{PerSecond: 3, Burst: 5}); p.Rate != want {
		t.Errorf("%v", p.Rate)
	}
}

func TestSourcesInWords(t *testing.T) {
	longest := v1alpha1.CIDR(strings.Repeat("f", 39) + "/128")
	one := v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24", Except: []v1alpha1.CIDR{"203.0.113.7/32"}}}
	two := v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24", Except: []v1alpha1.CIDR{"203.0.113.7/32", "203.0.113.9/32"}}}
	for _, test := range []struct {
		from []v1alpha1.AccessPeer
		want string
	}{
		{nil, "anywhere"},
		{from("203.0.113.0/24"), "203.0.113.0/24"},
		{from("203.0.113.0/24", "::/0", "10.0.0.0/8"), "203.0.113.0/24 and 2 more"},
		{[]v1alpha1.AccessPeer{one}, "203.0.113.0/24 except 203.0.113.7/32"},
		{[]v1alpha1.AccessPeer{two, one}, "203.0.113.0/24 except 2 ranges and 1 more"},
	} {
		if diff := cmp.Diff(test.want, SourcesText(test.from)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	most := make([]v1alpha1.AccessPeer, 256)
	most[0] = v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: longest, Except: []v1alpha1.CIDR{longest}}}
	if text := SourcesText(most); len(text) > 128 {
		t.Errorf("%d characters: %s", len(text), text)
	}
}

// A mistake in a selector closes a port and never opens one: what is read of an object selects all that the object would
// select without what cannot be read, and with any of that it grants nothing.
func TestWhatCannotBeReadNeverSelectsLess(t *testing.T) {
	keys, values := rapid.SampledFrom([]string{"app", "tier", "not a key"}), rapid.SampledFrom([]string{"", "a", "b", "not a value"})
	requirement := rapid.Custom(func(t *rapid.T) metav1.LabelSelectorRequirement {
		return metav1.LabelSelectorRequirement{
			Key:      keys.Draw(t, "key"),
			Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Near"}).Draw(t, "operator"),
			Values:   rapid.SliceOfN(values, 0, 2).Draw(t, "values"),
		}
	})
	unreadable, selected := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := metav1.LabelSelector{
			MatchLabels:      rapid.MapOfN(keys, values, 0, 2).Draw(t, "labels"),
			MatchExpressions: rapid.SliceOfN(requirement, 0, 2).Draw(t, "expressions"),
		}
		p := policyOf(v1alpha1.NodePortAccessSpec{ServiceSelector: s})
		for range 5 {
			service := rapid.MapOfN(rapid.SampledFrom([]string{"app", "tier"}), rapid.SampledFrom([]string{"", "a", "b"}), 0, 2).Draw(t, "Service")
			want, problems := meets(s, service)
			if p.Selects(service) != want || (len(p.Problems) > 0) != problems || p.GrantsOn(nil) == problems {
				t.Fatalf("selects %v: %t, want %t; problems %v", service, p.Selects(service), want, p.Problems)
			}
			if problems {
				unreadable++
			}
			if want {
				selected++
			}
		}
	})
	if unreadable < 50 || selected < 50 {
		t.Errorf("only %d could not be read, and %d selected", unreadable, selected)
	}
}

// meets asks requirement by requirement, and leaves out those that cannot be read.
func meets(s metav1.LabelSelector, service map[string]string) (all, problems bool) {
	all = true
	parts := []metav1.LabelSelector{}
	for k, v := range s.MatchLabels {
		parts = append(parts, metav1.LabelSelector{MatchLabels: map[string]string{k: v}})
	}
	for _, e := range s.MatchExpressions {
		parts = append(parts, metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}})
	}
	for _, part := range parts {
		selector, err := metav1.LabelSelectorAsSelector(&part)
		problems = problems || err != nil
		all = all && (err != nil || selector.Matches(labels.Set(service)))
	}
	return all, problems
}

func TestTheTextOfSourcesFitsAColumn(t *testing.T) {
	longest := rapid.Just[v1alpha1.CIDR]("2001:0db8:0000:0000:0000:0000:0000:0000/128")
	rapid.Check(t, func(t *rapid.T) {
		peers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) v1alpha1.AccessPeer {
			return v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: longest.Draw(t, "cidr"), Except: rapid.SliceOfN(longest, 0, 16).Draw(t, "except")}}
		}), 0, 64).Draw(t, "from")
		if text := SourcesText(peers); text == "" || len(text) > 128 {
			t.Fatalf("%q has %d characters", text, len(text))
		}
	})
}
