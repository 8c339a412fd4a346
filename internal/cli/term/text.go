package term

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Length is how many columns a text takes: runes, without escape sequences for colours.
func Length(text string) int {
	n := 0
	for text != "" {
		if strings.HasPrefix(text, "\x1b[") {
			if end := strings.IndexByte(text, 'm'); end >= 0 {
				text = text[end+1:]
				continue
			}
		}
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		n++
	}
	return n
}

// Pad fills a text with spaces up to a width. A longer one stays as it is.
func Pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-Length(text)))
}

// PadLeft is Pad with the spaces before the text, for figures.
func PadLeft(text string, width int) string {
	return strings.Repeat(" ", max(0, width-Length(text))) + text
}

// Cut shortens a text without colours to a width: what is left out shows as "..".
func Cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	const mark = ".."
	if width <= len(mark) {
		return string([]rune(text)[:max(0, width)])
	}
	return string([]rune(text)[:width-len(mark)]) + mark
}

// Wrap breaks a text without colours between words into lines of at most a width; a word that is longer has a line of its
// own.
func Wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case Length(line)+1+Length(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// Few names at most so many: "a, b and 3 more". One that is left out alone would take no more room than its name: most is
// at least 2.
func Few(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
}

// Counted is "1 pool" or "3 pools".
func Counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
