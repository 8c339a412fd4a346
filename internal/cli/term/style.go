package term

import "strings"

// Style is how text stands out: parameters of the escape sequence SGR (ECMA-48). The colours are the terminal's own, so
// that they suit its background.
type Style string

// Styles. Red is for trouble, and nothing else.
const (
	Plain   Style = ""
	Bold    Style = "1"
	Faint   Style = "2"
	Red     Style = "31"
	Alarm   Style = "1;97;41" // white on red
	Green   Style = "32"
	Yellow  Style = "33"
	Blue    Style = "34"
	Magenta Style = "35"
	Cyan    Style = "36"
)

// And is both styles in one.
func (s Style) And(other Style) Style {
	return Style(strings.Trim(string(s)+";"+string(other), ";"))
}

// Paint is the text in a style, where the screen shows colours.
func (s Screen) Paint(style Style, text string) string {
	if !s.Colour || style == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}
