package tour

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Screen is where a tour is shown: a terminal, where titles and commands stand out, or anything else that is written to.
type Screen struct {
	out      io.Writer
	terminal bool
	colours  bool
}

// NewScreen shows on out. Colours are for terminals only, and not where NO_COLOR (no-color.org) is set.
func NewScreen(out io.Writer) *Screen {
	s := &Screen{out: out}
	if file, ok := out.(*os.File); ok {
		s.terminal = term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"
		s.colours = s.terminal && os.Getenv("NO_COLOR") == ""
	}
	return s
}

const (
	bold  = "1"
	faint = "2"
	blue  = "34"
)

func (s *Screen) paint(colour, text string) string {
	if !s.colours {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// Title begins a part.
func (s *Screen) Title(text string) {
	fmt.Fprintf(s.out, "\n\n%s\n%s\n", s.paint(bold, text), s.paint(faint, strings.Repeat("-", len(text))))
}

// Say writes a paragraph.
func (s *Screen) Say(text string) { fmt.Fprintf(s.out, "\n%s\n", text) }

// Command shows a command line as it is typed.
func (s *Screen) Command(line string) {
	fmt.Fprintf(s.out, "\n%s\n", s.paint(blue, "$ "+line))
}

// Output shows what a command printed.
func (s *Screen) Output(text string) {
	if text != "" {
		fmt.Fprintln(s.out, strings.TrimRight(text, "\n"))
	}
}

// During shows, on a terminal and as long as f runs, what it does.
func (s *Screen) During(what string, f func()) {
	if !s.terminal {
		f()
		return
	}
	fmt.Fprintf(s.out, "\n%s", s.paint(faint, what+" ..."))
	f()
	fmt.Fprint(s.out, "\r\x1b[K\x1b[A")
}
