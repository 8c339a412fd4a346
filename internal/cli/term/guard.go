package term

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"sync"
	chars "unicode" // unicode is what a locale has
	"unicode/utf8"
)

// Guarded is a stream on which nobody but this program moves the cursor or hides a text: of what is written, control
// characters show as Go and JSON write them (\u001b), but for ends of lines, tabs, and the styles of this package. What is
// shown was written by tenants, by nodes, and by authors of manifests. JSON stays the JSON that it is.
//
// It may be used concurrently: client-go prints warnings while verbs print what they found.
type Guarded struct {
	// Stream is what is guarded; NewScreen and IsTerminal look at that.
	Stream io.Writer

	mu      sync.Mutex // guards pending, and the order of what is written
	pending []byte     // the beginning of what may be a style or a character
}

// style is one of ours, unfinished is what may become one.
var (
	style      = regexp.MustCompile(`^\x1b\[(0|1|2|3[1-6]|97|41)(;(0|1|2|3[1-6]|97|41))*m`)
	unfinished = regexp.MustCompile(`^\x1b(\[[0-9;]{0,12})?$`)
)

// Write implements io.Writer.
func (g *Guarded) Write(text []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rest := append(g.pending, text...)
	var shown bytes.Buffer
	for len(rest) > 0 && utf8.FullRune(rest) && (rest[0] != '\x1b' || !unfinished.Match(rest)) {
		rest = rest[show(&shown, rest):]
	}
	g.pending = rest
	if _, err := g.Stream.Write(shown.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// show writes what a text begins with, and returns how long that is.
func show(to *bytes.Buffer, text []byte) int {
	if text[0] == '\x1b' {
		if found := style.Find(text); found != nil {
			to.Write(found)
			return len(found)
		}
	}
	r, size := utf8.DecodeRune(text)
	switch {
	case r == utf8.RuneError && size == 1:
		fmt.Fprintf(to, `\x%02x`, text[0])
	case r != '\n' && r != '\t' && (chars.IsControl(r) || chars.Is(chars.Bidi_Control, r)):
		fmt.Fprintf(to, `\u%04x`, r)
	default:
		to.Write(text[:size])
	}
	return size
}

// streamOf is what is behind a stream that is guarded.
func streamOf(stream any) any {
	if g, ok := stream.(*Guarded); ok {
		return g.Stream
	}
	return stream
}
