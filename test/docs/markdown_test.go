package docs

import (
	"maps"
	"slices"
	"testing"
)

func TestAnchorsAreThoseOfGitHub(t *testing.T) {
	for heading, want := range map[string]string{
		"Limits: how many a namespace may have":    "limits-how-many-a-namespace-may-have",
		"The manager's pods are not ready":         "the-managers-pods-are-not-ready",
		"`kubectl portolan` -- a plugin, or not":   "kubectl-portolan----a-plugin-or-not",
		"What [node-proxy](node-proxy.md) does":    "what-node-proxy-does",
		"Before Linux 6.9":                         "before-linux-69",
		"portolan_pool_ports, and TCP/UDP (SCTP)?": "portolan_pool_ports-and-tcpudp-sctp",
	} {
		if got := anchorOf(heading); got != want {
			t.Errorf("%q: got %q, want %q", heading, got, want)
		}
	}
}

func TestHeadingsOfTheSameWordsAreNumbered(t *testing.T) {
	got := slices.Sorted(maps.Keys(parse("# Ports\n## Ports\n### Ports\n").anchors))
	if want := []string{"ports", "ports-1", "ports-2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLinksAreThoseThatAReaderCanFollow(t *testing.T) {
	text := "[a](a.md) and ![a picture](b.svg), [![c](c.png)](d.md#e)\n" +
		"`[code](code.md)`\n" +
		"```\n# none\n[fenced](fenced.md)\n```\n" +
		"   ```yaml\n   [fenced](fenced.md)\n   ```\n" +
		"[after](#after)\n"
	p := parse(text)
	want := []link{
		{1, "a", "a.md", false},
		{1, "a picture", "b.svg", true},
		{1, "![c](c.png)", "d.md#e", false},
		{1, "c", "c.png", true},
		{10, "after", "#after", false},
	}
	if !slices.Equal(p.links, want) {
		t.Errorf("got %v, want %v", p.links, want)
	}
	if len(p.anchors) != 0 {
		t.Errorf("a fence has the anchors %v", p.anchors)
	}
}
