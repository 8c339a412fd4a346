package portmap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// The grid has a row for so many numbers, in groups of ten, so that a number is found as on a ruler. Pools are named beside
// the row in which they begin. Where there is nothing to see for long, rows fold into one line.

const (
	labelWidth = 5
	group      = 10
	// foldable is from how many rows without anything on them these fold.
	foldable = 3
	// nameWidth is the least room for the names of pools.
	nameWidth = 14
	margin    = "  "
)

// rowLengths are how many numbers a row may have, the best first.
var rowLengths = []int32{100, 50, 20, 10}

// gridWidth is how wide rows of so many numbers are, without the names.
func gridWidth(row int32) int { return labelWidth + 1 + int(row) + int(row)/group - 1 }

// rowLength is how many numbers a row has on a screen of a width.
func rowLength(width int) int32 {
	for _, row := range rowLengths {
		if gridWidth(row)+len(margin)+nameWidth <= width {
			return row
		}
	}
	return group
}

// row is a line of the grid.
type row struct {
	base  int32 // the number of its first place
	cells []cell
}

// rows cuts the cells into rows.
func (c *chart) rows(length int32) []row {
	var rows []row
	for _, cell := range c.cells {
		base := cell.number / length * length
		if len(rows) == 0 || rows[len(rows)-1].base != base {
			rows = append(rows, row{base: base})
		}
		last := &rows[len(rows)-1]
		last.cells = append(last.cells, cell)
	}
	return rows
}

// blankArea is the one area of a row on which there is nothing to see; nil: there is.
func (r row) blankArea() *area {
	first := r.cells[0]
	if slices.ContainsFunc(r.cells, func(c cell) bool { return !c.blank() || c.area != first.area }) {
		return nil
	}
	return first.area
}

// grid draws the numbers on lines that are at most so wide.
func (c *chart) grid(screen term.Screen, width int) []string {
	length := rowLength(width)
	rows := c.rows(length)
	var lines []string
	for i := 0; i < len(rows); {
		if end := c.fold(rows, i); end-i >= foldable && !c.unfold {
			lines = append(lines, folded(screen, rows[i:end]))
			i = end
			continue
		}
		lines = append(lines, c.line(screen, rows[i], length, width))
		i++
	}
	return lines
}

// fold is the end of the run of rows that are like the i-th and without anything to see.
func (c *chart) fold(rows []row, i int) int {
	first := rows[i].blankArea()
	if first == nil {
		return i
	}
	end := i + 1
	for end < len(rows) && rows[end].blankArea() == first && rows[end].cells[0].number == lastOf(rows[end-1])+1 {
		end++
	}
	return end
}

func lastOf(r row) int32 { return r.cells[len(r.cells)-1].number }

// folded stands for rows.
func folded(screen term.Screen, rows []row) string {
	first, last := rows[0].cells[0], lastOf(rows[len(rows)-1])
	what := "free"
	if first.state == picture.Unknown {
		what = "not yours to see"
	}
	if first.area.isPool() {
		what += ", of " + screen.Paint(first.area.style, first.area.name)
	} else if first.area.name == noPool {
		what += ", in no pool"
	}
	dots := mark{":", "…", ""}.on(screen)
	return screen.Paint(term.Faint, fmt.Sprintf("%*s", labelWidth, dots)) +
		fmt.Sprintf(" %d-%d: %d %s", first.number, last, last-first.number+1, what)
}

// line is a row with its first number before it and the names of pools that begin there after it.
func (c *chart) line(screen term.Screen, r row, length int32, width int) string {
	var b strings.Builder
	b.WriteString(screen.Paint(term.Faint, fmt.Sprintf("%*d", labelWidth, r.base)))
	var p painter
	next := 0
	for place := range length {
		if place%group == 0 {
			p.put(&b, screen, term.Plain, " ")
		}
		if next < len(r.cells) && r.cells[next].number == r.base+place {
			p.put(&b, screen, r.cells[next].style(), r.cells[next].mark().on(screen))
			next++
		} else {
			p.put(&b, screen, term.Plain, " ")
		}
	}
	p.flush(&b, screen)
	if names := c.names(screen, r, width-gridWidth(length)-len(margin)); names != "" {
		b.WriteString(margin + names)
		return b.String()
	}
	return strings.TrimRight(b.String(), " ")
}

// painter gathers neighbours of one style into one escape sequence.
type painter struct {
	style term.Style
	text  strings.Builder
}

func (p *painter) put(b *strings.Builder, screen term.Screen, style term.Style, text string) {
	if style != p.style {
		p.flush(b, screen)
		p.style = style
	}
	p.text.WriteString(text)
}

func (p *painter) flush(b *strings.Builder, screen term.Screen) {
	b.WriteString(screen.Paint(p.style, p.text.String()))
	p.text.Reset()
}

// names are those of the pools that begin in a row, as far as there is room.
func (c *chart) names(screen term.Screen, r row, room int) string {
	if len(c.areas) < 2 {
		return ""
	}
	begin := slices.DeleteFunc(slices.Clone(c.areas), func(a *area) bool { return !a.begins(r.cells[0].number, lastOf(r)) })
	slices.SortStableFunc(begin, func(a, b *area) int { return int(a.firstFrom(r.base) - b.firstFrom(r.base)) })
	var shown []string
	for i, a := range begin {
		more := ""
		if rest := len(begin) - i - 1; rest > 0 {
			more = fmt.Sprintf(" +%d", rest)
		}
		if i > 0 && len(a.name)+len(more) > room {
			shown = append(shown, fmt.Sprintf("+%d", len(begin)-i))
			break
		}
		name := term.Cut(a.name, max(0, room-len(more)))
		room -= len(name) + 1
		shown = append(shown, screen.Paint(a.labelStyle(), name))
	}
	return strings.Join(shown, " ")
}

func (a *area) labelStyle() term.Style {
	if !a.isPool() {
		return term.Faint
	}
	return a.style
}

// firstFrom is the first number at or after n at which a range of the area begins; if none does, its first. It has some.
func (a *area) firstFrom(n int32) int32 {
	for _, r := range a.numbers {
		if r.From >= n {
			return r.From
		}
	}
	return a.numbers[0].From
}
