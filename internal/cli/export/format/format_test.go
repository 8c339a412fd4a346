package format

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

// wantGolden compares a text, and what it leaves out, with a file.
func wantGolden(t *testing.T, name string, text Text) {
	t.Helper()
	got := string(text.Bytes)
	if len(text.Left) > 0 {
		got += "\n----- said besides\n" + strings.Join(text.Left, "\n") + "\n"
	}
	assert.Check(t, golden.String(got, name+".golden"))
}

func written(t *testing.T, name string, inv *inventory.Inventory, o Options) Text {
	t.Helper()
	f, err := Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return f.Write(inv, o)
}

func TestEachFormatIsWrittenAsItWas(t *testing.T) {
	options := worlds()
	for _, f := range All() {
		t.Run(f.Name, func(t *testing.T) {
			o, ok := options[f.Name]
			if !ok {
				t.Fatal("it has no options in worlds: it would go untested")
			}
			wantGolden(t, f.Name, f.Write(world(), o))
			wantGolden(t, f.Name+"-nothing", f.Write(&inventory.Inventory{}, o))
		})
	}
	for _, name := range []string{"haproxy", "nginx"} {
		t.Run(name+" at the Services' ports", func(t *testing.T) {
			wantGolden(t, name+"-service-ports", written(t, name, world(), listening))
		})
	}
}

func TestAFormatThatIsNotThereNamesThoseThatAre(t *testing.T) {
	_, err := Named("f5")
	if err == nil || !strings.Contains(err.Error(), "haproxy, nginx, nftables") {
		t.Errorf("got %v", err)
	}
}

func TestTheHeadSaysThatNoNodeIsFit(t *testing.T) {
	inv := world()
	inv.Unfit = true
	for _, name := range []string{"haproxy", "nginx", "nftables", "iptables", "dns", "tfvars"} {
		if text := string(written(t, name, inv, worlds()[name]).Bytes); !strings.Contains(text, "No node is ready and schedulable") {
			t.Errorf("%s does not say so:\n%s", name, text)
		}
	}
}

func TestACommandOfSeveralLinesStaysAComment(t *testing.T) {
	o := worlds()["haproxy"]
	o.Made = "kubectl portolan export haproxy\nglobal\n"
	if text := string(written(t, "haproxy", world(), o).Bytes); strings.Contains(text, "\nglobal") {
		t.Errorf("the command is not a comment:\n%s", text)
	}
}

// Of Services that want one port the oldest has it, also where another comes first by name.
func TestAYoungerServiceTakesNoPortFromAnOlderOne(t *testing.T) {
	inv := world()
	for _, name := range []string{"haproxy", "nginx"} {
		text := written(t, name, inv, Options{Listen: ListenServicePort})
		if !strings.Contains(string(text.Bytes), "shop.web.https") || strings.Contains(string(text.Bytes), "shop.admin") {
			t.Errorf("%s: port 443 is not the older Service's:\n%s", name, text.Bytes)
		}
		said := func(line string) bool {
			return strings.Contains(line, "shop/admin") && strings.Contains(line, "shop/web https")
		}
		if !slices.ContainsFunc(text.Left, said) {
			t.Errorf("%s does not say who is left out for whom: %q", name, text.Left)
		}
	}
}

func TestTheTableHasAsManyFieldsInEachLine(t *testing.T) {
	records, err := csv.NewReader(strings.NewReader(string(written(t, "csv", world(), Options{}).Bytes))).ReadAll()
	if err != nil || len(records) != 1+len(world().Ports) {
		t.Errorf("got %d lines and error %v, want %d lines", len(records), err, 1+len(world().Ports))
	}
}

func TestJSONIsReadBackAsItsOwnTypes(t *testing.T) {
	d := json.NewDecoder(strings.NewReader(string(written(t, "json", world(), Options{}).Bytes)))
	d.DisallowUnknownFields()
	var got Inventory
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.Nodes) != 3 || len(got.Ports) != len(world().Ports) || got.Ports[4].Access[0].From[1] != "203.0.113.0/25" {
		t.Errorf("got %+v", got)
	}
}

func TestPrometheusTakesTheLabels(t *testing.T) {
	var groups []struct {
		Targets []string
		Labels  model.LabelSet
	}
	if err := json.Unmarshal(written(t, "prometheus-sd", world(), Options{}).Bytes, &groups); err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if err := g.Labels.Validate(); err != nil || len(g.Targets) != 1 {
			t.Errorf("%v: %v", g, err)
		}
	}
	if len(groups) != 6 {
		t.Errorf("got %d targets, want 6: one for each TCP port and node", len(groups))
	}
}
