package portmap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

const (
	// besideWidth is the least room for the use of pools beside the grid.
	besideWidth = 60
	gutter      = "   "
	// mostTroubles is how many troubled numbers are told of.
	mostTroubles = 5
)

// draw is the map, for a screen.
func (c *chart) draw(screen term.Screen) string {
	lines := append(c.summary(screen), "")
	if c.empty() {
		lines = append(lines, term.Wrap("There is no pool, and no Service has a node port. To give a team a range of its own, "+
			"apply a NodePortPool: kubectl explain npp.spec says what it may say.", screen.Width)...)
		return join(lines)
	}
	left := screen.Width - besideWidth - len(gutter)
	grid := func(width int) []string {
		return slices.Concat(c.grid(screen, width), []string{""}, c.legend(screen, width))
	}
	if names := gridWidth(rowLengths[0]) + len(margin) + nameWidth; left >= names {
		lines = append(lines, beside(grid(left), c.use(screen, besideWidth))...)
	} else {
		lines = append(lines, grid(screen.Width)...)
		lines = append(append(lines, ""), c.use(screen, screen.Width)...)
	}
	return join(append(lines, c.remarks(screen)...))
}

func join(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// beside puts two blocks of lines next to each other.
func beside(left, right []string) []string {
	width := 0
	for _, line := range left {
		width = max(width, term.Length(line))
	}
	lines := make([]string, max(len(left), len(right)))
	for i := range lines {
		if i < len(left) {
			lines[i] = left[i]
		}
		if i < len(right) {
			lines[i] = term.Pad(lines[i], width) + gutter + right[i]
		}
	}
	return lines
}

// seen are the marks that are on the map, in the grid or in a bar, with the style that one of them has.
func (c *chart) seen() map[mark]term.Style {
	seen := map[mark]term.Style{}
	for _, a := range c.areas {
		for _, part := range a.parts() {
			if part.count > 0 {
				seen[part.mark] = part.style
			}
		}
	}
	for _, cell := range c.cells {
		seen[cell.mark()] = cell.style()
	}
	return seen
}

// legend explains the marks that are on the map.
func (c *chart) legend(screen term.Screen, width int) []string {
	seen := c.seen()
	var lines []string
	line, length := "", 0
	for _, m := range legendOrder {
		style, shown := seen[m]
		if !shown {
			continue
		}
		if added := 2 + 2 + len(m.text); length > 0 && length+added > width {
			lines, line, length = append(lines, line), "", 0
		}
		if length > 0 {
			line, length = line+"  ", length+2
		}
		line += screen.Paint(legendStyle(style), m.on(screen)) + " " + m.text
		length += 2 + len(m.text)
	}
	return append(lines, line)
}

// legendStyle leaves out the colours of pools: a mark of any pool is meant.
func legendStyle(style term.Style) term.Style {
	if style == term.Alarm || style == term.Red || style == term.Faint {
		return style
	}
	return term.Plain
}

// remarks are what there is to do.
func (c *chart) remarks(screen term.Screen) []string {
	var texts []string
	for _, n := range c.troubled[:min(len(c.troubled), mostTroubles)] {
		texts = append(texts, fmt.Sprintf("%s %d %s: see kubectl portolan who %d", markTrouble.on(screen), n.Number, trouble(n), n.Number))
	}
	if more := len(c.troubled) - mostTroubles; more > 0 {
		texts = append(texts, fmt.Sprintf("%s %d more: see kubectl portolan doctor", markTrouble.on(screen), more))
	}
	for _, a := range c.areas {
		if a.note != "" {
			texts = append(texts, fmt.Sprintf("Pool %s %s.", a.name, a.note))
		}
	}
	if len(c.outside) > 0 {
		text := fmt.Sprintf("Services have numbers outside of %d-%d: %s.", c.clusterRange.From, c.clusterRange.To, c.outside)
		if c.assumed {
			text += " If that is not the API server's range, say which by --service-node-port-range."
		}
		texts = append(texts, text)
	}
	var lines []string
	for i, text := range texts {
		if i == 0 {
			lines = append(lines, "")
		}
		lines = append(lines, term.Wrap(text, screen.Width)...)
	}
	return lines
}

func trouble(n picture.Number) string {
	if n.State == picture.Conflict {
		return "is carried by " + term.Counted(len(n.Carriers), "Service")
	}
	nodes := 0
	for _, clash := range n.Clashes {
		nodes = max(nodes, clash.Nodes)
	}
	return "is used by something else on " + term.Counted(nodes, "node")
}
