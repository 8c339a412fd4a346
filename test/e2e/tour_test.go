package e2e

import (
	"bytes"
	"errors"
	"regexp"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/tour"
)

func TestTourShowsWhatTheTranscriptSays(t *testing.T) {
	t.Parallel()
	needRoot(t)
	c := start(t, cluster.Options{Nodes: 3, Proxy: cluster.NoProxy})
	i, err := install.Apply(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	manager, err := i.StartProcess(t.Context(), program("manager"))
	if err != nil {
		t.Fatal(err)
	}
	nodeProxy := startNodeProxy(t, c, "--services=all", "--report-spread=0s")
	var shown bytes.Buffer
	walk := tour.Tour{Cluster: c, Root: install.Repository(), Screen: tour.NewScreen(&shown), Manager: manager, Plugin: program(install.PluginName),
		Packets: true, NodeProxy: nodeProxy}
	if err := walk.Run(t.Context()); err != nil {
		t.Fatalf("%s\n%v", &shown, err)
	}
	golden.Assert(t, normalised(shown.String()), "tour.golden")
}

func TestTourWithoutPortolanIsASurprise(t *testing.T) {
	c := start(t, cluster.Options{})
	walk := tour.Tour{Cluster: c, Root: install.Repository(), Screen: tour.NewScreen(t.Output()), Plugin: program(install.PluginName)}
	var surprise *tour.Surprise
	if err := walk.Run(t.Context()); !errors.As(err, &surprise) {
		t.Errorf("got error %v, want a surprise", err)
	}
}

func start(t *testing.T, o cluster.Options) *cluster.Cluster {
	t.Helper()
	o.Dir = t.TempDir()
	c, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// startNodeProxy runs node-proxy on every node of a cluster that has config/default.
func startNodeProxy(t *testing.T, c *cluster.Cluster, args ...string) *install.NodeProxy {
	t.Helper()
	p, err := install.ApplyNodeProxy(t.Context(), c, program("node-proxy"), args...)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// normalised replaces what differs from run to run by a word for it, and the widths of columns, which follow from that.
func normalised(text string) string {
	for _, r := range []struct{ pattern, by string }{
		{`\b307\d\d\b`, "307NN"},
		{`free now: 310\d\d, 310\d\d, 310\d\d`, "free now: 310NN, 310NN, 310NN"},
		{`\b10\.96\.\d+\.\d+\b`, "10.96.N.N"},
		{`"client":"[^"]+"`, `"client":"ADDRESS"`},
		{`"node":"node-\d"`, `"node":"NODE"`},
		{`\b198\.1[89]\.\d+\.`, "198.18.N."},
		{`\bportolan\d+-`, "portolanN-"},
		{`\b10\.244\.\d+\.\d+\b`, "10.244.N.N"},
		{`\bon (node-\d|this node) `, "on NODE "},
		{`-[0-9a-f]{8,10}-[0-9a-z]{5}\b`, "-POD"},
		{`(No connection has|1 new connection has|\d+ new connections have) got in from outside`, "N new connections have got in from outside"},
		{`(?m)^307NN( [-#]{10}){5}`, "307NN REGISTRY"},
		{`(\d+[hms])+( ago)? \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)`, "AGE$2 (TIME)"},
		{`ready, on node-.*`, "ready, on NODES"},
		{`(?m)  ok +[\d.]+ (ms|s)$`, "  ok  LATENCY"},
		{`wget -qO-`, "curl -s"},
		{`(?m) (\d+[hms])+$`, " AGE"},
		{`(InUse|Reserved) +(<none>|(\d+[hms])+) +AGE`, "$1  USED  AGE"},
		{`(?m) +$`, ""},
		{`(\S) {2,}`, "$1  "},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.by)
	}
	return text
}

func TestAnAgeOfAnyUnitIsOneWord(t *testing.T) {
	for _, age := range []string{"5s", "12m", "3m20s", "2h5m"} {
		if got := normalised("31000  InUse  " + age + "  " + age); got != "31000  InUse  USED  AGE" {
			t.Errorf("%s: %q", age, got)
		}
	}
}
