// Package docs holds the documentation to what can be told from its text alone: where its links lead, and that every page
// is found; and CONTRIBUTING.md to the imports and modules that it is about.
package docs

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// page is what a Markdown file refers to, and can be referred to by.
type page struct {
	links []link
	// anchors are the headings' own, without "#".
	anchors map[string]bool
}

// link is a reference in a page; image says that the target is shown there, by the words in text.
type link struct {
	line   int // from 1
	text   string
	target string
	image  bool
}

var (
	heading = regexp.MustCompile(`^#{1,6} +(.+?) *#*$`)
	fence   = regexp.MustCompile("^ *(```+|~~~+)")
	code    = regexp.MustCompile("`[^`]*`")
	// reference is a link or an image; one may be the text of the other.
	reference = regexp.MustCompile(`(!?)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\(([^()\s]+)\)`)
	// linked is a link in a heading, whose text alone is in the anchor.
	linked = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// parse reads Markdown as far as these pages use it: headings with "#", links and images in one line, fences.
func parse(text string) page {
	p := page{anchors: map[string]bool{}}
	closing := ""
	for i, line := range strings.Split(text, "\n") {
		if mark := fence.FindStringSubmatch(line); mark != nil && (closing == "" || strings.HasPrefix(mark[1], closing)) {
			if closing == "" {
				closing = mark[1]
			} else {
				closing = ""
			}
			continue
		}
		if closing != "" {
			continue
		}
		if h := heading.FindStringSubmatch(line); h != nil {
			p.addAnchor(anchorOf(h[1]))
		}
		p.addLinks(i+1, code.ReplaceAllStringFunc(line, blank))
	}
	return p
}

// blank keeps the place of code, in which brackets mean nothing.
func blank(code string) string { return strings.Repeat("x", len(code)) }

func (p *page) addLinks(line int, text string) {
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		p.links = append(p.links, link{line: line, text: m[2], target: m[3], image: m[1] == "!"})
		p.addLinks(line, m[2])
	}
}

// addAnchor numbers headings of the same words.
func (p *page) addAnchor(anchor string) {
	unique := anchor
	for n := 1; p.anchors[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", anchor, n)
	}
	p.anchors[unique] = true
}

// anchorOf is the anchor that GitHub gives a heading.
func anchorOf(heading string) string {
	heading = linked.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}
