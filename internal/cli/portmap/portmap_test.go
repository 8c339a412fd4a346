package portmap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

func small() *picturetest.Cluster {
	return picturetest.New().
		Pool("registry", "30700-30799", "docker-registry").
		Pool("default", "31000-31099", "default", "staging").
		Pool("well-known", "30000-30085", "default").
		Pool("sandbox", "30600-30619", "sandbox").
		Pool("team-a", "30100-30199,30500", "shop", "shop-staging").
		Bound(30721, "docker-registry/docker-registry-np").
		Bound(31000, "default/podinfo").
		Bound(30007, "default/my-nodeport-service").
		Bound(30008, "default/node-port-service").
		Bound(30120, "shop/web").
		Held(30121, "shop/old").
		Reserved(31080, "default/checkout").
		Bound(32001, "kube-system/metrics").
		Node("node-1", "").Clash(30011, "nginx")
}

// tenants is what one sees who may read the namespace default, and nothing else.
func tenants() *picturetest.Cluster {
	c := picturetest.New().Bound(31000, "default/podinfo").Bound(30007, "default/my-nodeport-service")
	c.Reserved(31080, "default/checkout")
	c.Allocations = nil
	for _, usage := range []struct {
		pool, ranges string
		nodePorts    []int32
	}{{"default", "31000-31099", []int32{31000, 31011, 31080}}, {"well-known", "30000-30085", []int32{30007}}} {
		u := v1alpha1.NodePortUsage{}
		u.Namespace, u.Name = "default", usage.pool
		u.Status.Ranges, u.Status.NodePorts = usage.ranges, usage.nodePorts
		c.Usages = append(c.Usages, u)
	}
	c.Gaps = []picture.Gap{{Kind: picture.Pools}, {Kind: picture.Allocations}, {Kind: picture.Services, Namespace: "default"}, {Kind: picture.NodeStates}}
	return c
}

var cases = []struct {
	name    string
	cluster *picturetest.Cluster
	filter  filter
}{
	{"empty", picturetest.New(), filter{}},
	{"small", small(), filter{}},
	{"busy", picturetest.Busy(), filter{}},
	{"namespace", small(), filter{namespace: "default"}},
	{"pool", small(), filter{pool: "team-a", unfold: true}},
	{"tenant", tenants(), filter{}},
	{"nopools", picturetest.New().Bound(30080, "shop/web").Bound(31500, "shop/api"), filter{}},
	{"outside", picturetest.New().Pool("team-a", "32700-32799").Bound(32790, "shop/web").Bound(32710, "shop/api"), filter{}},
}

func TestTheMapReadsAsInTheGoldenFiles(t *testing.T) {
	for _, tt := range cases {
		c := newChart(tt.cluster.Picture(), tt.filter)
		for _, width := range []int{80, 200} {
			for kind, colour := range map[string]bool{"plain": false, "colour": true} {
				name := fmt.Sprintf("%s-%d-%s", tt.name, width, kind)
				t.Run(name, func(t *testing.T) {
					golden.Assert(t, c.draw(term.Screen{Width: width, Colour: colour}), name+".golden")
				})
			}
		}
	}
}

func TestProgramsReadTheMapAsInTheGoldenFiles(t *testing.T) {
	for _, tt := range cases {
		if tt.name == "busy" { // as many lines as there are numbers
			continue
		}
		p := tt.cluster.Picture()
		text, err := yaml.Marshal(newChart(p, tt.filter).document(p))
		if err != nil {
			t.Fatal(err)
		}
		assert.Check(t, golden.String(string(text), tt.name+"-yaml.golden"))
	}
}

func TestProgramsAndPeopleAreToldTheSameFigures(t *testing.T) {
	p := picturetest.Busy().Picture()
	c := newChart(p, filter{})
	d := c.document(p)
	count := map[picture.State]int{}
	for _, n := range d.Numbers {
		count[n.State]++
	}
	for _, pool := range d.Pools {
		count[picture.InUse] -= pool.InUse
		count[picture.Held] -= pool.Kept
		count[picture.Clashing] -= pool.Clashing
	}
	want := map[picture.State]int{picture.InUse: -count[picture.Conflict], picture.Held: -count[picture.Reserved], picture.Clashing: 0,
		picture.Conflict: count[picture.Conflict], picture.Reserved: count[picture.Reserved]}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("numbers listed less those of pools (-want +got)\n%s", diff)
	}
}

func TestNoLineOfTheMapIsWiderThanTheScreen(t *testing.T) {
	for _, tt := range cases {
		c := newChart(tt.cluster.Picture(), tt.filter)
		for _, width := range []int{60, 72, 80, 100, 132, 160, 196, 200, 250} {
			for line := range strings.Lines(c.draw(term.Screen{Width: width, Colour: true})) {
				if got := term.Length(strings.TrimSuffix(line, "\n")); got > width {
					t.Errorf("%s at width %d: %d columns: %q", tt.name, width, got, line)
				}
			}
		}
	}
}

func TestTheMapCountsAsThePoolsStatusDoes(t *testing.T) {
	p := picturetest.Busy().Picture()
	for _, a := range newChart(p, filter{}).areas {
		want := p.Counts(p.Chart().Pool(strings.TrimPrefix(a.name, noPool)))
		got := allocator.Counts{Total: a.counts.total, Bound: a.counts.bound, Held: want.Held, Pending: want.Pending, Reserved: a.counts.kept() - want.Held - want.Pending,
			Clashing: a.counts.clashing, Free: a.counts.free, Outside: want.Outside}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pool %s (-status +map)\n%s", a.name, diff)
		}
	}
}

func TestABarShowsAPlaceOfWhateverThereIs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sizes []int
		want  []int
	}{
		{"nothing", []int{0, 0}, []int{0, 0}},
		{"half", []int{30, 30}, []int{10, 10}},
		{"one of many", []int{1, 0, 999}, []int{1, 0, 19}},
		{"all", []int{60, 0, 0}, []int{20, 0, 0}},
		{"a little of each", []int{1, 1, 1, 997}, []int{1, 1, 1, 17}},
	} {
		if diff := cmp.Diff(tt.want, share(tt.sizes, 20)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestTheLegendExplainsEverySignOfTheBars(t *testing.T) {
	screen := term.Screen{Width: 200}
	for name, cluster := range map[string]*picturetest.Cluster{
		"small": small(), "busy": picturetest.Busy(),
		"only reserved":   picturetest.New().Pool("team-a", "30100-30109", "shop").Reserved(30100, "shop/web"),
		"only pending":    picturetest.New().Pool("team-a", "30100-30109", "shop").Pending(30100, "shop/web"),
		"only in trouble": picturetest.New().Pool("team-a", "30100-30109", "shop").Bound(30100, "shop/web").Node("node-1", "").Clash(30100, "nginx"),
	} {
		c := newChart(cluster.Picture(), filter{})
		legend := "  " + strings.Join(c.legend(screen, 1000), "  ")
		for _, a := range c.areas {
			for _, sign := range a.bar(screen, 20) {
				if sign != ' ' && !strings.Contains(legend, "  "+string(sign)+" ") {
					t.Errorf("%s: %q of %s is not in %s", name, sign, a.name, legend)
				}
			}
		}
	}
}
