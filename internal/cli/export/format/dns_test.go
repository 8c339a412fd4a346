package format

import (
	"strings"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

func TestTheSerialNumberGoesUpWithEachChangeOnly(t *testing.T) {
	o := worlds()["dns"]
	first := written(t, "dns", world(), o).Bytes
	if got := serial(first); int64(got) != began.Unix() {
		t.Fatalf("the first is %d, want the time", got)
	}
	o.Previous, o.Now = first, began.Add(time.Hour)
	if again := written(t, "dns", world(), o).Bytes; string(again) != string(first) {
		t.Errorf("without a change:\n%s", again)
	}
	changed := world()
	changed.Ports[0].Number++
	o.Now = began.Add(time.Hour)
	second := written(t, "dns", changed, o).Bytes
	if got := serial(second); int64(got) != began.Add(time.Hour).Unix() {
		t.Errorf("with a change: %d, want the time", got)
	}
	o.Previous, o.Now = second, began // the clock was put back
	if got := serial(written(t, "dns", world(), o).Bytes); got != serial(second)+1 {
		t.Errorf("with a change, in the past: %d, want one more than %d", got, serial(second))
	}
}

func TestTheSerialNumberDoesNotGoBackWhereAZoneOfAnotherHandIsReplaced(t *testing.T) {
	for _, head := range []string{
		"@ IN SOA ns1 hostmaster (\n  2026112101 ; Serial number\n  3600 )\n",
		"@ SOA ns1 hostmaster ( 2026112101;serial\n 3600 )\n",
	} {
		o := worlds()["dns"]
		o.Previous, o.Now = []byte(head), began
		if got := serial(written(t, "dns", world(), o).Bytes); got != 2026112102 {
			t.Errorf("after\n%s: %d, want one more", head, got)
		}
	}
}

func TestWithoutNameServersItIsAPartOfAnotherZone(t *testing.T) {
	text := string(written(t, "dns", world(), Options{Zone: "example.com", TTL: time.Minute}).Bytes)
	if strings.Contains(text, "SOA") || strings.Contains(text, "NS\t") || !strings.Contains(text, "$ORIGIN example.com.\n$TTL 60\n") {
		t.Errorf("got\n%s", text)
	}
}

func TestANameThatIsTooLongHasNoSRVRecord(t *testing.T) {
	long := strings.Repeat("x", 63)
	for _, test := range []struct {
		name string
		port inventory.Port
		zone string
		a    bool // there is an address all the same
	}{
		{"a label", inventory.Port{Namespace: "shop", Service: "web", Name: long}, "example.com", true},
		{"all of it", inventory.Port{Namespace: long, Service: long, Name: "http"}, strings.Repeat("zone.", 24) + "com", true},
		{"the Service's own", inventory.Port{Namespace: long, Service: long, Name: "http"}, strings.Repeat("zone.", 25) + "com", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.port.Protocol, test.port.Number, test.port.Nodes = "TCP", 30080, []inventory.Node{node1}
			inv := &inventory.Inventory{Nodes: []inventory.Node{node1}, Ports: []inventory.Port{test.port}}
			text := written(t, "dns", inv, Options{Zone: test.zone})
			if strings.Contains(string(text.Bytes), "\tSRV\t") || strings.Contains(string(text.Bytes), "\tA\t") != test.a || len(text.Left) != 1 {
				t.Errorf("got %q and\n%s", text.Left, text.Bytes)
			}
		})
	}
}

// FuzzTheSerialNumberOfAnyZoneIsFollowedByAHigherOne writes a zone in the place of whatever there was: twice, and the second
// time nothing changes.
func FuzzTheSerialNumberOfAnyZoneIsFollowedByAHigherOne(f *testing.F) {
	for _, seed := range []string{"", "2026112101 ; serial", "99999999999 ; serial", "0;serial", "4294967295 ; serial", "; serial", "1 ; SERIAL\n2 ; serial"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, previous string) {
		o := worlds()["dns"]
		o.Previous, o.Now = []byte(previous), began
		first := written(t, "dns", world(), o).Bytes
		// Source: RFC 1982, of which number comes after another.
		if was, is := serial([]byte(previous)), serial(first); int32(is-was) <= 0 && string(first) != previous {
			t.Errorf("%q: after %d comes %d", previous, was, is)
		}
		o.Previous, o.Now = first, began.Add(time.Hour)
		if again := written(t, "dns", world(), o).Bytes; string(again) != string(first) {
			t.Errorf("%q: without a change:\n%s", previous, again)
		}
	})
}
