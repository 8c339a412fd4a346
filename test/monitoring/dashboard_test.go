package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// dashboard is what is looked at of Grafana's model of one.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct{ List []variable }
	Annotations   struct{ List []struct{ Name, Expr string } }
	Links         []struct{ URL string }
	Panels        []panel
}

type variable struct{ Name, Type, Definition string }

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct {
		RefID, Expr, LegendFormat string
		Datasource                struct{ Type, UID string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "config/grafana/portolan.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// grafana puts values in the place of variables, as Grafana does.
var grafana = strings.NewReplacer("$__rate_interval", "5m", "$pool", ".*")

// queries are the dashboard's, by where they are.
func (d dashboard) queries() map[string]string {
	all := map[string]string{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all[fmt.Sprintf("%s (%s)", p.Title, target.RefID)] = grafana.Replace(target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		all["annotation "+a.Name] = a.Expr
	}
	return all
}

func TestEveryQueryOfTheDashboardNamesWhatIsServed(t *testing.T) {
	d, l := readDashboard(t), newLexicon(t)
	for where, query := range d.queries() {
		expr, err := promQL.ParseExpr(query)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		for _, problem := range l.problems(expr) {
			t.Errorf("%s: %s", where, problem)
		}
	}
	for _, v := range d.Templating.List {
		metric, label, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ")"), ", ")
		if v.Type == "query" && (!ok || !slices.Contains(l.labels[metric], label)) {
			t.Errorf("variable %s is by %s", v.Name, v.Definition)
		}
	}
}

// quiet are the queries that find nothing while all is well.
var quiet = map[string]bool{
	"annotation Alerts":      true,
	"First pool full in (A)": true,
	"Pools (D)":              true,
}

func TestEveryPanelShowsSomethingWhileAllIsWell(t *testing.T) {
	m, engine := healthy(t, time.Minute), newEngine()
	for where, query := range readDashboard(t).queries() {
		if found := m.ask(t, engine, query, epoch.Add(170*time.Minute)); len(found) == 0 && !quiet[where] {
			t.Errorf("%s finds nothing", where)
		} else if len(found) > 0 && quiet[where] {
			t.Errorf("%s finds %v", where, found)
		}
	}
}

func TestTheDashboardSaysWhenAPoolWillBeFull(t *testing.T) {
	m := healthy(t, time.Hour)
	m.put(t, `portolan_pool_ports{job="portolan-manager", instance="10.0.0.1:8443", pool="team-a", state="free"} 195-2x95`, time.Hour)
	found := m.ask(t, newEngine(), readDashboard(t).queries()["First pool full in (A)"], epoch.Add(80*time.Hour))
	if want := 40.0 / 48; len(found) != 1 || found[0].F < want-.01 || found[0].F > want+.01 { // 35 are free, 5 held, two an hour go
		t.Errorf("%v, want %v days", found, want)
	}
}

func TestTheDashboardSaysHowManyNodesAreInStep(t *testing.T) {
	m, query := healthy(t, time.Minute), readDashboard(t).queries()["Nodes in step (A)"]
	at := epoch.Add(time.Hour)
	want := func(share float64) {
		t.Helper()
		if found := m.ask(t, newEngine(), query, at); len(found) != 1 || found[0].F != share {
			t.Errorf("%v, want %v", found, share)
		}
	}
	want(1)
	waits := func(node int, since time.Duration) {
		m.put(t, fmt.Sprintf(`portolan_node_waiting_since_timestamp_seconds{job="portolan-node-proxy", instance="192.0.2.%[1]d:10349", node="node-%[1]d"} %[2]vx180`, node, since.Seconds()), time.Minute)
	}
	waits(1, 59*time.Minute+30*time.Second)
	want(1)
	waits(2, 58*time.Minute+30*time.Second)
	waits(3, time.Second)
	want(1. / 3)
	waits(1, time.Second)
	want(0)
}

func TestThePanelsOfTheDashboardAreLaidOutSideBySide(t *testing.T) {
	d := readDashboard(t)
	taken := map[[2]int]string{}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("panel %d, %q, has somebody else's id, or no title, description or query", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" || at[0] > 23 {
					t.Fatalf("%q is at %v, where %q is, or nobody can be", p.Title, at, other)
				}
				taken[at] = p.Title
			}
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s asks data source %q", p.Title, target.Datasource.UID)
			}
		}
	}
}
