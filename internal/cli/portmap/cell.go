package portmap

import (
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// The shape of a cell says what state its number is in, the colour whose it is: so the shapes alone tell as much. What may
// go wrong is red, and nothing else is.

// cell is a number on the map.
type cell struct {
	number int32
	state  picture.State
	// trouble: the Service that has it may miss traffic.
	trouble bool
	// others: it is not of the namespace that was asked for.
	others bool
	area   *area
}

// blank says whether there is nothing to see.
func (c cell) blank() bool { return c.state == picture.Free || c.state == picture.Unknown }

// mark is how a cell looks, in plain characters and in others, and what the legend says of it.
type mark struct {
	plain, drawn string
	text         string
}

var (
	markTrouble = mark{"!", "!", "trouble, see below"}
	markOthers  = mark{"o", "▄", "of other namespaces"}
	markNoPool  = mark{".", "·", "free, in no pool"}
	marks       = map[picture.State]mark{
		picture.InUse:    {"#", "█", "in use"},
		picture.Pending:  {"p", "▪", "being created"},
		picture.Held:     {"h", "▒", "held for its last Service"},
		picture.Reserved: {"r", "□", "reserved"},
		picture.Clashing: {"x", "×", "used by something else on a node"},
		picture.Free:     {"-", "░", "free"},
		picture.Unknown:  {"?", "?", "not yours to see"},
	}
	// legendOrder is that of the marks in the legend.
	legendOrder = []mark{
		marks[picture.InUse], markOthers, marks[picture.Pending], marks[picture.Held], marks[picture.Reserved], markTrouble,
		marks[picture.Clashing], marks[picture.Free], markNoPool, marks[picture.Unknown],
	}
)

func (c cell) mark() mark {
	switch {
	case c.others:
		return markOthers
	case c.trouble:
		return markTrouble
	case c.state == picture.Free && !c.area.isPool():
		return markNoPool
	}
	return marks[c.state]
}

func (c cell) style() term.Style {
	switch {
	case c.others:
		return term.Faint
	case c.trouble:
		return term.Alarm
	case c.state == picture.Clashing:
		return term.Red
	case !c.area.isPool() && c.blank() || c.state == picture.Unknown:
		return term.Faint
	}
	return c.area.style
}

// on is the mark as a screen shows it.
func (m mark) on(screen term.Screen) string {
	if screen.Colour && !screen.ASCII {
		return m.drawn
	}
	return m.plain
}
