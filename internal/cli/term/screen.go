// Package term is what is written to: how wide it is, whether it shows colours, and how times read there.
package term

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// defaultWidth is that of what is no terminal and has no $COLUMNS.
const defaultWidth = 80

// Screen is what a verb writes for. The zero value has no width and no colours.
type Screen struct {
	// Width is in columns. Known: it is a terminal's, or was given, and not just a usual one.
	Width int
	Known bool
	// Colour: escape sequences for colours are shown.
	Colour bool
	// ASCII: the locale is said to have no other characters.
	ASCII bool
}

// NewScreen is the screen of out. The width is $COLUMNS, else the terminal's, else 80. With Auto colours are for terminals
// only, and not where NO_COLOR (no-color.org) is set or TERM is dumb.
func NewScreen(out io.Writer, when When, getenv func(string) string) Screen {
	s := Screen{Width: defaultWidth, Colour: when == Always, ASCII: !unicode(getenv)}
	if file, ok := streamOf(out).(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		s.Colour = when == Always || when != Never && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			s.Width, s.Known = width, true
		}
	}
	if width, err := strconv.Atoi(getenv("COLUMNS")); err == nil && width > 0 {
		s.Width, s.Known = width, true
	}
	return s
}

// unicode goes by the locale, as POSIX has it. Where none is set terminals show UTF-8 nearly always.
func unicode(getenv func(string) string) bool {
	locale := strings.ToLower(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	return locale == "" || strings.Contains(strings.ReplaceAll(locale, "-", ""), "utf8")
}

// IsTerminal says whether somebody looks at out, or at in types, right now.
func IsTerminal(stream any) bool {
	file, ok := streamOf(stream).(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// When says when there are colours. It is a flag's value (pflag.Value).
type When string

// When there are colours.
const (
	Auto   When = "auto"
	Always When = "always"
	Never  When = "never"
)

// Set implements pflag.Value.
func (w *When) Set(text string) error {
	switch When(text) {
	case Auto, Always, Never:
		*w = When(text)
		return nil
	}
	return fmt.Errorf("it must be %s, %s or %s", Auto, Always, Never)
}

// String implements pflag.Value.
func (w *When) String() string { return string(*w) }

// Type implements pflag.Value.
func (*When) Type() string { return "when" }
