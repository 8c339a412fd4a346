package list

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

const day = 24 * time.Hour

func cluster() *picturetest.Cluster {
	return picturetest.New().
		Pool("team-a", "30100-30199", "shop").
		Bound(30100, "shop/web").ChangeAllocation(use(3*time.Minute, 40*day, false)).
		Bound(30101, "shop/admin").ChangeAllocation(use(35*day, 40*day, true)).
		Bound(30102, "shop/trial").ChangeAllocation(use(0, 20*day, true)).
		Bound(30103, "shop/twice").
		Held(30104, "shop/old").
		Pending(30105, "shop/new").
		Reserved(30106, "shop/promised").
		Bound(30300, "legacy/app").
		Service(MakeService("other/copy").NodePort(80, 30103)).
		Node("node-1", "30100-30103,30300").Clash(30101, "nginx").Clash(30110, "sshd").
		Node("node-2", "30100-30101")
}

// use has nodes count since a time ago, and a number be used at another; 0: it never was.
func use(traffic, counted time.Duration, idle bool) func(*v1alpha1.NodePortAllocation) {
	return func(a *v1alpha1.NodePortAllocation) {
		unused := counted
		if traffic > 0 {
			unused, a.Status.LastTrafficTime = traffic, new(picturetest.Ago(traffic))
		}
		c := metav1.Condition{Type: v1alpha1.AllocationIdle, Status: metav1.ConditionFalse, LastTransitionTime: picturetest.Ago(counted)}
		if idle {
			c.Status, c.LastTransitionTime = metav1.ConditionTrue, picturetest.Ago(unused-7*day)
			c.Message = "nobody has used the number since " + picturetest.Ago(unused).UTC().Format(time.RFC3339)
		}
		a.Status.Conditions = append(a.Status.Conditions, c)
	}
}

// numbers are those that a filter lists.
func numbers(c *picturetest.Cluster, f filter) []picture.Number {
	var listed []picture.Number
	for _, n := range c.Picture().Taken() {
		if f.lists(n, picturetest.Now) {
			listed = append(listed, n)
		}
	}
	return listed
}

func TestTheTableReadsAsInTheGoldenFiles(t *testing.T) {
	for _, tt := range []struct {
		name   string
		filter filter
		width  int // 0: -o wide
	}{
		{"all-200", filter{}, 200},
		{"all-80", filter{}, 80},
		{"wide", filter{}, 0},
		{"namespace-200", filter{namespace: "shop"}, 200},
		{"namespace-80", filter{namespace: "shop"}, 80},
		{"namespace-40", filter{namespace: "shop"}, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			table := tableOf(cluster().Picture(), numbers(cluster(), tt.filter), tt.filter.namespace != "")
			if tt.width > 0 {
				fit(table, tt.width)
			}
			if err := printers.NewTablePrinter(printers.PrintOptions{Wide: tt.width == 0}).PrintObj(table, &out); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, out.String(), tt.name+".golden")
		})
	}
}

func TestAFilterListsWhatFits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		filter filter
		want   []int32
	}{
		{"everything that somebody has", filter{}, []int32{30100, 30101, 30102, 30103, 30104, 30105, 30106, 30300}},
		{"a namespace, also what it shares with its owner", filter{namespace: "other"}, []int32{30103}},
		{"a pool", filter{pool: "team-a", states: []picture.State{picture.InUse}}, []int32{30100, 30101, 30102}},
		{"states", filter{states: []picture.State{picture.Held, picture.Reserved}}, []int32{30104, 30106}},
		{"what something else uses", filter{states: []picture.State{picture.Clashing}}, []int32{30110}},
		{"idle for 30 days", filter{idle: 30 * day}, []int32{30101}},
		{"idle for as long as nodes have counted", filter{idle: 20 * day}, []int32{30101, 30102}},
		{"idle for a minute", filter{idle: time.Minute}, []int32{30100, 30101, 30102}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []int32
			for _, n := range numbers(cluster(), tt.filter) {
				got = append(got, n.Number)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestRemarksSayWhatTheListLeavesOut(t *testing.T) {
	tenants := cluster()
	tenants.Gaps = []picture.Gap{{Kind: picture.Allocations}}
	stranger := picturetest.New()
	stranger.Gaps = []picture.Gap{{Kind: picture.Services, Namespace: "shop"}}
	for _, tt := range []struct {
		name    string
		cluster *picturetest.Cluster
		filter  filter
		want    []string
	}{
		{"nothing to be seen", stranger, filter{}, []string{"No node port that you may see is in use in the cluster.", "You see services of namespace shop only."}},
		{"nothing fits of what is to be seen", stranger, filter{namespace: "shop", pool: "team-a"},
			[]string{"No such node port that you may see in namespace shop.", "You see services of namespace shop only."}},
		{"nothing left out", cluster(), filter{}, nil},
		{"empty cluster", picturetest.New(), filter{}, []string{"No node port is in use in the cluster."}},
		{"empty namespace", cluster(), filter{namespace: "default"}, []string{"No node port is in use in namespace default. With -A: 8 in all namespaces."}},
		{"nothing fits", cluster(), filter{pool: "nobodys"}, []string{"No such node port in the cluster."}},
		{"not counted", cluster(), filter{idle: 30 * day},
			[]string{"Of 1 more it is not known whether anybody uses them: nodes with node-proxy count that."}},
		{"rights", tenants, filter{},
			[]string{"You may not list nodeportallocations. ClusterRole portolan-nodeportallocation-viewer-role, bound to you by a ClusterRoleBinding, would show more."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, remarks(tt.cluster.Picture(), tt.filter, numbers(tt.cluster, tt.filter))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAnAgeIsReadAsPeopleWriteIt(t *testing.T) {
	for text, want := range map[string]time.Duration{"30d": 30 * day, "2w": 14 * day, "36h": 36 * time.Hour, "90m": 90 * time.Minute} {
		if got, err := age(text); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "30", "0d", "-1d", "-1h", "d", "month", "99999999999w"} {
		if got, err := age(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		}
	}
}

func TestAHoldThatIsOverSaysHowLongAgo(t *testing.T) {
	c := picturetest.New().Held(30100, "shop/a").Held(30101, "shop/b").ChangeAllocation(func(a *v1alpha1.NodePortAllocation) {
		a.Spec.HoldUntil = new(picturetest.Ago(5 * time.Minute))
	})
	for n, want := range map[int32]string{30100: "7m", 30101: "ended 5m ago", 30102: ""} {
		if got := heldFor(c.Picture().Number(n), picturetest.Now); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestStatesAreReadInAnyCase(t *testing.T) {
	got, err := statesOf([]string{"HELD", "inuse", "bound", "Conflict"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]picture.State{picture.Held, picture.InUse, picture.InUse, picture.Conflict}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := statesOf([]string{"free"}); err == nil {
		t.Error("free numbers are listed by nobody, and yet there is no error")
	}
}

func TestWhoMayReadNothingIsToldSo(t *testing.T) {
	c := cluster()
	for _, kind := range owning {
		if err := unseen(c.Picture()); err != nil {
			t.Errorf("before %s: %v", kind, err)
		}
		c.Gaps = append(c.Gaps, picture.Gap{Kind: kind})
	}
	if err := unseen(c.Picture()); err == nil || !strings.Contains(err.Error(), "You may not list nodeportallocations, services, ") {
		t.Errorf("got %v", err)
	}
}

// FuzzAnAgeIsReadOrRefused reads whatever a flag may say: an age is some time, and what time.Duration writes is read.
func FuzzAnAgeIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{"30d", "2w", "36h", "90m", "1.5h", "0d", "-1h", "65535w", "15250w", "15251w", "99999d", "d", "", "1d12h", "9999999h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := age(text)
		if (err == nil) != (got > 0) {
			t.Fatalf("%q: got %v, %v", text, got, err)
		}
		if err != nil {
			return
		}
		if again, err := age(got.String()); err != nil || again != got {
			t.Errorf("%q: got %v, which is read as %v: %v", text, got, again, err)
		}
		if days, found := strings.CutSuffix(text, "d"); found && !strings.HasPrefix(got.String(), fmt.Sprint(24*number(days), "h")) {
			t.Errorf("%q: got %v", text, got)
		}
	})
}

// number is 8 for 08, too: none is octal.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
