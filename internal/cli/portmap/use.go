package portmap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// The use of each pool is a bar of the same shapes as the grid, and figures.

const (
	// barWidth is how wide bars are where there is room, niceBar where that makes room for the ranges, leastBar anyway.
	barWidth, niceBar, leastBar = 20, 12, 6
	// rangesWidth is the least room that the ranges are shown in.
	rangesWidth = 14
)

// column is one of figures.
type column struct {
	title string
	of    func(counts) int
	// always is shown also where it has nothing but zeroes.
	always bool
}

var columns = []column{
	{"IN USE", func(c counts) int { return c.bound }, true},
	{"OTHERS", func(c counts) int { return c.others }, false},
	{"KEPT", func(c counts) int { return c.kept() }, true},
	{"CLASH", func(c counts) int { return c.clashing }, false},
	{"UNKNOWN", func(c counts) int { return c.unknown }, false},
	{"FREE", func(c counts) int { return c.free }, true},
	{"TOTAL", func(c counts) int { return c.total }, true},
}

// use is the table of pools, on lines that are at most so wide.
func (c *chart) use(screen term.Screen, width int) []string {
	l := c.layout(width)
	lines := []string{screen.Paint(term.Bold, l.head())}
	for _, a := range c.areas {
		cells := []string{screen.Paint(a.nameStyle(), term.Pad(term.Cut(a.name, l.name), l.name)), a.bar(screen, l.bar)}
		for _, col := range l.columns {
			cells = append(cells, figure(screen, col, a.counts))
		}
		if l.ranges > 0 {
			cells = append(cells, a.ranges(l.ranges))
		}
		lines = append(lines, strings.Join(cells, margin))
	}
	return lines
}

// layout is how wide the parts of the table are. Without room for ranges these are left out (0).
type layout struct {
	name, bar, ranges int
	columns           []column
}

func (c *chart) layout(width int) layout {
	l := layout{name: len("POOL")}
	for _, a := range c.areas {
		l.name = max(l.name, len(a.name))
	}
	l.name = min(l.name, max(nameWidth, width/6))
	room := width - l.name - len(margin)
	for _, col := range columns {
		if col.always || slices.ContainsFunc(c.areas, func(a *area) bool { return col.of(a.counts) > 0 }) {
			l.columns = append(l.columns, col)
			room -= len(margin) + len(col.title)
		}
	}
	l.bar = max(leastBar, min(barWidth, room))
	if short := l.bar + len(margin) + rangesWidth - room; short > 0 && l.bar-short >= niceBar {
		l.bar -= short
	}
	if room -= l.bar + len(margin); room >= rangesWidth {
		l.ranges = room
	}
	return l
}

func (l layout) head() string {
	titles := []string{term.Pad("POOL", l.name), term.Pad("USE", l.bar)}
	for _, col := range l.columns {
		titles = append(titles, col.title)
	}
	if l.ranges > 0 {
		titles = append(titles, "RANGES")
	}
	return strings.Join(titles, margin)
}

func (a *area) nameStyle() term.Style {
	if !a.isPool() {
		return term.Plain
	}
	return a.style
}

// figure is one of the table. No free number left is alarming, few are worth a look.
func figure(screen term.Screen, col column, c counts) string {
	text := term.PadLeft(strconv.Itoa(col.of(c)), len(col.title))
	switch {
	case col.title != "FREE" || c.total == 0:
		return text
	case c.unknown > 0:
		return term.PadLeft("?", len(col.title))
	case c.free == 0:
		return screen.Paint(term.Bold.And(term.Red), text)
	case c.free*10 < c.total:
		return screen.Paint(term.Yellow, text)
	}
	return text
}

// part is one of a bar: so many numbers have that mark.
type part struct {
	count int
	mark  mark
	style term.Style
}

func (a *area) parts() []part {
	return []part{
		{a.counts.bound, marks[picture.InUse], a.style},
		{a.counts.others, markOthers, term.Faint},
		{a.counts.kept(), a.keptMark(), a.style},
		{a.counts.clashing, marks[picture.Clashing], term.Red},
		{a.counts.unknown, marks[picture.Unknown], term.Faint},
		{a.counts.free, freeMark(a), a.freeStyle()},
	}
}

// keptMark is that of what most of the kept numbers are.
func (a *area) keptMark() mark {
	most, state := a.counts.held, picture.Held
	if a.counts.reserved > most {
		most, state = a.counts.reserved, picture.Reserved
	}
	if a.counts.pending > most {
		state = picture.Pending
	}
	return marks[state]
}

// bar is how full an area is. What there is any of has a place in it.
func (a *area) bar(screen term.Screen, width int) string {
	parts := a.parts()
	sizes := make([]int, len(parts))
	for i, part := range parts {
		sizes[i] = part.count
	}
	var b strings.Builder
	for i, places := range share(sizes, width) {
		b.WriteString(screen.Paint(parts[i].style, strings.Repeat(parts[i].mark.on(screen), places)))
	}
	return b.String() + strings.Repeat(" ", width-term.Length(b.String()))
}

func freeMark(a *area) mark { return cell{state: picture.Free, area: a}.mark() }

func (a *area) freeStyle() term.Style { return cell{state: picture.Free, area: a}.style() }

// share divides places among parts as they are large. None that is not 0 gets none: the largest gives it away.
func share(sizes []int, places int) []int {
	shares := make([]int, len(sizes))
	total, given := 0, 0
	for _, size := range sizes {
		total += size
	}
	if total == 0 {
		return shares
	}
	for i, size := range sizes {
		if size > 0 {
			shares[i] = max(1, size*places/total)
		}
		given += shares[i]
	}
	largest := slices.Index(sizes, slices.Max(sizes))
	shares[largest] += places - given
	return shares
}

// summary is the whole range in a line, or in more where there is no room.
func (c *chart) summary(screen term.Screen) []string {
	var all counts
	for _, cell := range c.cells {
		all.add(cell)
	}
	what := fmt.Sprintf("Node ports %d-%d", c.clusterRange.From, c.clusterRange.To)
	if c.pool != "" {
		what = "Pool " + c.pool
	}
	parts := []string{fmt.Sprintf("%d of %d in use", all.bound, all.total)}
	for _, part := range []struct {
		count int
		text  string
	}{
		{all.others, "of other namespaces"}, {all.kept(), "kept"}, {all.clashing, "clashing"}, {all.unknown, "not yours to see"}, {all.free, "free"},
	} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.text))
		}
	}
	text := strings.Join(parts, ", ")
	if len(what)+2+len(text) > screen.Width {
		return append([]string{screen.Paint(term.Bold, what)}, term.Wrap(text, screen.Width)...)
	}
	return []string{screen.Paint(term.Bold, what) + "  " + text}
}
