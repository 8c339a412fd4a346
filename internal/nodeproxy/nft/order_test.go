package nft

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// grants draws what two lists grant to few sources, by prefixes of which many contain others.
func grants() *rapid.Generator[Table] {
	return rapid.Custom(func(t *rapid.T) Table {
		var elements []Element
		for range rapid.IntRange(0, 6).Draw(t, "count") {
			source := rapid.SampledFrom(grantSources).Draw(t, "source")
			bits := rapid.SampledFrom([]int{0, 29, 30, 31, 32}).Draw(t, "bits")
			list := ACL(rapid.IntRange(1, 2).Draw(t, "list"))
			elements = append(elements, Grant(list, netip.PrefixFrom(source, bits), rapid.SampledFrom([]Action{Pass(), Deny(), Limit(1, 1)}).Draw(t, "action")))
		}
		return NewTable(elements...)
	})
}

var grantSources = []netip.Addr{
	netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.4"),
}

// torn is the table as a packet sees it that is looked up in it for lengths from bits on, and then in another.
func torn(t, then Table, bits int) Table {
	seen := Table{}
	for k, v := range t {
		if int(k.set.bits) >= bits {
			seen[k] = v
		}
	}
	for k, v := range then {
		if int(k.set.bits) < bits {
			seen[k] = v
		}
	}
	return seen
}

// commits are what the kernel is given one after another for a change: as it is, and where it is too large.
var commits = map[string]func(Change) []Change{
	"in order": func(c Change) []Change {
		var all []Change
		for _, together := range inOrder([]Change{c}) {
			all = append(all, merge(together))
		}
		return all
	},
	"in parts": func(c Change) []Change {
		var all []Change
		for _, together := range inOrder([]Change{c}) {
			all = append(all, merge(together).parts()...)
		}
		return all
	},
}

func TestWhateverAPacketMeetsItGetsWhatWasOrWhatWillBe(t *testing.T) {
	for name, commits := range commits {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				before, after := grants().Draw(r, "before"), grants().Draw(r, "after")
				now := maps.Clone(before)
				for _, c := range commits(Diff(before, after)) {
					next := maps.Clone(now)
					next.Apply(c)
					for _, bits := range []int{0, 1, 30, 31, 32} {
						wantEither(r, torn(now, next, bits), before, after)
					}
					now = next
				}
				if left := Diff(now, after); !left.Empty() {
					r.Fatalf("in the end: %v too much, %v too little", left.Delete, left.Add)
				}
			})
		})
	}
}

// wantEither wants each source to get from each list what one of two tables grants it.
func wantEither(r *rapid.T, seen, before, after Table) {
	for _, source := range grantSources {
		for list := range ACL(2) {
			got := seen.granted(list+1, source)
			if want := []Action{before.granted(list+1, source), after.granted(list+1, source)}; !slices.Contains(want, got) {
				r.Fatalf("%s gets %s, not one of %s: before\n%s\nafter\n%s", source, got, want, before, after)
			}
		}
	}
}

func TestAChangeOfOneLengthIsOneCommit(t *testing.T) {
	grant := func(list ACL, text string) Element { return Grant(list, netip.MustParsePrefix(text), Pass()) }
	for _, c := range []struct {
		name   string
		change Change
		want   int
	}{
		{"nothing of the guard", Change{Add: []Element{ClusterIP(netip.MustParseAddr("10.96.0.1"))}}, 1},
		{"one grant", Change{Add: []Element{grant(1, "10.0.0.0/8"), Guarded(IPv4, TCP, 1, 1)}}, 1},
		{"one length in each of two lists", Change{Add: []Element{grant(1, "10.0.0.0/8"), grant(2, "10.0.0.0/9")}}, 1},
		{"one length in each of two families", Change{Add: []Element{grant(1, "10.0.0.0/8"), grant(1, "::/0")}}, 1},
		{"one comes and another goes", Change{Add: []Element{grant(1, "10.0.0.0/8")}, Delete: []Element{grant(1, "10.0.0.0/9")}}, 2},
		{"one gets another value", Change{Add: []Element{grant(1, "10.0.0.0/8")}, Delete: []Element{grant(1, "10.0.0.0/8")}}, 1},
		{"several go, and one comes to another list", Change{Delete: []Element{grant(1, "10.0.0.0/8"), grant(1, "10.0.0.0/9")}, Add: []Element{grant(2, "::/0")}}, 1},
		{"several go", Change{Delete: []Element{grant(1, "10.0.0.0/8"), grant(1, "10.0.0.0/9")}}, 1},
		{"several come", Change{Add: []Element{grant(1, "10.0.0.0/8"), grant(1, "10.0.0.0/9"), Guarded(IPv4, TCP, 1, 1)}}, 3},
	} {
		if got := len(inOrder([]Change{c.change})); got != c.want {
			t.Errorf("%s: %d commits, want %d", c.name, got, c.want)
		}
	}
}
