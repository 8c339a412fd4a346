package portmap

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/rules"
)

// noPool is what the numbers of no pool are called, and elsewhere those of no pool that the caller knows of.
const (
	noPool    = "(no pool)"
	elsewhere = "(others)"
)

// area is a pool as the map shows it, or the numbers of no pool.
type area struct {
	name    string
	numbers rules.Ranges
	// style is the pool's colour: neighbours have different ones.
	style  term.Style
	counts counts
	// note says what hinders the pool; "" is nothing.
	note string
}

// counts are the numbers of an area by state.
type counts struct{ total, bound, pending, held, reserved, clashing, others, unknown, free int }

// kept are those that are kept for Services which do not carry them.
func (c counts) kept() int { return c.pending + c.held + c.reserved }

func (c *counts) add(cell cell) {
	c.total++
	switch {
	case cell.others:
		c.others++
	case cell.state == picture.InUse || cell.state == picture.Conflict:
		c.bound++
	case cell.state == picture.Pending:
		c.pending++
	case cell.state == picture.Held:
		c.held++
	case cell.state == picture.Reserved:
		c.reserved++
	case cell.state == picture.Clashing:
		c.clashing++
	case cell.state == picture.Unknown:
		c.unknown++
	default:
		c.free++
	}
}

// hues are the colours of pools. None is red, which is for trouble.
var hues = []term.Style{term.Cyan, term.Magenta, term.Green, term.Blue, term.Yellow}

// areasOf are the picture's, each with a colour and a name.
func areasOf(p *picture.Picture) []*area {
	var areas []*area
	for i, a := range p.Areas() {
		areas = append(areas, &area{name: cmp.Or(a.Name, nameless(p)), numbers: a.Numbers, note: a.Note, style: hues[i%len(hues)]})
	}
	areas[len(areas)-1].style = term.Plain
	return areas
}

// nameless is what the numbers of no pool are called.
func nameless(p *picture.Picture) string {
	if p.Complete(picture.Pools) {
		return noPool
	}
	return elsewhere
}

// isPool says whether it is one.
func (a *area) isPool() bool { return a.name != noPool && a.name != elsewhere }

// ranges are the area's numbers in as many columns at most: if need be the first of them, and how many more there are.
func (a *area) ranges(room int) string {
	text := a.numbers.Join(",")
	if len(text) <= room {
		return text
	}
	return term.Cut(fmt.Sprintf("%s +%d", a.numbers[:1].Join(","), len(a.numbers)-1), room)
}

// begins says whether one of the area's ranges begins among these numbers.
func (a *area) begins(from, to int32) bool {
	return slices.ContainsFunc(a.numbers, func(r v1alpha1.PortRange) bool { return r.From >= from && r.From <= to })
}
