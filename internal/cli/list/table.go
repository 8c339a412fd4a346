package list

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// The columns are those of `kubectl get npa`, with what Services, reservations and nodes add to them.

// none is an empty cell, as kubectl has it.
const none = "<none>"

// column is one of the table.
type column struct {
	title string
	wide  bool // in -o wide only
	text  func(picture.Number, *picture.Picture) string
}

var columns = []column{
	{"Node-Port", false, func(n picture.Number, _ *picture.Picture) string { return fmt.Sprint(n.Number) }},
	{"Protocols", false, func(n picture.Number, _ *picture.Picture) string { return protocols(n) }},
	{"Namespace", false, func(n picture.Number, _ *picture.Picture) string { return ownerOf(n).namespace }},
	{"Service", false, func(n picture.Number, _ *picture.Picture) string { return ownerOf(n).name }},
	{"Pool", false, func(n picture.Number, _ *picture.Picture) string { return n.PoolName() }},
	{"State", false, func(n picture.Number, _ *picture.Picture) string { return string(n.State) }},
	{"Origin", false, func(n picture.Number, _ *picture.Picture) string { return origin(n) }},
	{"Last-Traffic", false, func(n picture.Number, p *picture.Picture) string { return lastTraffic(n, p.Now) }},
	{"Age", false, func(n picture.Number, p *picture.Picture) string { return ageOf(n, p.Now) }},
	{"Role", true, func(n picture.Number, _ *picture.Picture) string { return role(n) }},
	{"Reservation", true, func(n picture.Number, _ *picture.Picture) string { return reservation(n) }},
	{"Held-For", true, func(n picture.Number, p *picture.Picture) string { return heldFor(n, p.Now) }},
	{"Programmed", true, func(n picture.Number, p *picture.Picture) string { return programmed(n, p) }},
	{"Idle", true, func(n picture.Number, _ *picture.Picture) string { return idle(n) }},
	{"Clashes", true, func(n picture.Number, p *picture.Picture) string { return clashes(n, p) }},
}

// tableOf is the list as a table of the API's kind, for kubectl's printer. The namespace is a column where there may be
// several.
func tableOf(p *picture.Picture, numbers []picture.Number, namespaced bool) *metav1.Table {
	shown := slices.DeleteFunc(slices.Clone(columns), func(c column) bool { return namespaced && c.title == "Namespace" })
	table := &metav1.Table{}
	for _, c := range shown {
		definition := metav1.TableColumnDefinition{Name: c.title, Type: "string"}
		if c.wide {
			definition.Priority = 1
		}
		table.ColumnDefinitions = append(table.ColumnDefinitions, definition)
	}
	for _, n := range numbers {
		var row metav1.TableRow
		for _, c := range shown {
			text := c.text(n, p)
			if text == "" {
				text = none
			}
			row.Cells = append(row.Cells, text)
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// spare are the columns that a narrow terminal goes without, in this order.
var spare = []string{"Origin", "Protocols", "Age", "Last-Traffic"}

// gap is what kubectl's printer leaves between columns.
const gap = 3

// fit leaves out columns until the table is at most so wide, as far as there are any to spare.
func fit(table *metav1.Table, width int) {
	for _, title := range spare {
		if widthOf(table) <= width {
			return
		}
		i := slices.IndexFunc(table.ColumnDefinitions, func(c metav1.TableColumnDefinition) bool { return c.Name == title })
		table.ColumnDefinitions = slices.Delete(table.ColumnDefinitions, i, i+1)
		for r := range table.Rows {
			table.Rows[r].Cells = slices.Delete(table.Rows[r].Cells, i, i+1)
		}
	}
}

// widthOf is how wide the table is without its wide columns.
func widthOf(table *metav1.Table) int {
	total := -gap
	for i, column := range table.ColumnDefinitions {
		if column.Priority > 0 {
			continue
		}
		widest := len(column.Name)
		for _, row := range table.Rows {
			widest = max(widest, len(fmt.Sprint(row.Cells[i])))
		}
		total += widest + gap
	}
	return total
}

type owner struct{ namespace, name string }

func ownerOf(n picture.Number) owner {
	name, _ := n.Owner()
	o := owner{name.Namespace, name.Name}
	if others := len(n.Carriers) - 1; n.State == picture.Conflict && others > 0 {
		o.name = fmt.Sprintf("%s +%d", o.name, others)
	}
	return o
}

func protocols(n picture.Number) string {
	if n.Allocation != nil && n.Allocation.Status.Protocols != "" {
		return n.Allocation.Status.Protocols
	}
	var names []string
	if svc := n.Holder(); svc != nil {
		for _, port := range svc.Spec.Ports {
			if port.NodePort == n.Number {
				names = append(names, string(port.Protocol))
			}
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

func origin(n picture.Number) string {
	if n.Allocation == nil {
		return ""
	}
	return string(n.Allocation.Spec.Origin)
}

func lastTraffic(n picture.Number, now time.Time) string {
	if n.Allocation == nil || n.Allocation.Status.LastTrafficTime == nil {
		return ""
	}
	return term.Age(n.Allocation.Status.LastTrafficTime.Time, now)
}

// ageOf is that of the allocation; who may not read it sees the Service's.
func ageOf(n picture.Number, now time.Time) string {
	switch svc := n.Holder(); {
	case n.Allocation != nil:
		return term.Age(n.Allocation.CreationTimestamp.Time, now)
	case svc != nil:
		return term.Age(svc.CreationTimestamp.Time, now)
	}
	return ""
}

func role(n picture.Number) string {
	switch svc := n.Holder(); {
	case n.Allocation != nil:
		return string(n.Allocation.Spec.Role)
	case svc != nil && svc.Spec.HealthCheckNodePort == n.Number:
		return string(serviceports.HealthCheck)
	case svc != nil:
		return string(serviceports.Traffic)
	}
	return ""
}

func reservation(n picture.Number) string {
	switch {
	case n.Allocation != nil:
		return n.Allocation.Spec.ReservationName
	case n.Reservation != nil:
		return n.Reservation.Name
	}
	return ""
}

func heldFor(n picture.Number, now time.Time) string {
	if n.State != picture.Held || n.Allocation == nil || n.Allocation.Spec.HoldUntil == nil {
		return ""
	}
	if until := n.Allocation.Spec.HoldUntil.Time; n.Lapsed {
		return "ended " + term.Age(until, now) + " ago"
	}
	return term.Until(n.Allocation.Spec.HoldUntil.Time, now)
}

// programmed is on how many nodes the number is in force, of those that serve it.
func programmed(n picture.Number, p *picture.Picture) string {
	svc := n.Holder()
	if svc == nil {
		return ""
	}
	s := p.Serving(svc, n.Number)
	if len(s.Nodes) == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", len(s.Programmed), len(s.Nodes))
}

func idle(n picture.Number) string {
	if n.Allocation == nil {
		return ""
	}
	if c := meta.FindStatusCondition(n.Allocation.Status.Conditions, v1alpha1.AllocationIdle); c != nil {
		return string(c.Status)
	}
	return ""
}

func clashes(n picture.Number, p *picture.Picture) string {
	var texts []string
	for _, clash := range p.NodeClashes(n.Number) {
		text := clash.Node
		if clash.Process != "" {
			text = clash.Process + "@" + clash.Node
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ",")
}
