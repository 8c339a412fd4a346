package ui

import (
	"math"
	"regexp"
	"strconv"
	"testing"
)

// What WCAG 2.2 asks for at level AA (https://www.w3.org/TR/WCAG22/#contrast-minimum, #non-text-contrast).
const (
	readable  = 4.5
	visible   = 3
	tintShare = 0.2 // of --hue in --tint
)

var colour = regexp.MustCompile(`(?m)(?:^\.(hue-\w+) \{ )?--([\w-]+): light-dark\(#(\w{6}), #(\w{6})\)`)

// rgb is a colour, its parts from 0 to 1.
type rgb [3]float64

func rgbOf(t *testing.T, text string) rgb {
	t.Helper()
	n, err := strconv.ParseUint(text, 16, 24)
	if err != nil {
		t.Fatal(err)
	}
	return rgb{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}
}

func (c rgb) on(paper rgb, share float64) rgb {
	for i := range c {
		c[i] = c[i]*share + paper[i]*(1-share)
	}
	return c
}

func (c rgb) luminance() float64 {
	for i, part := range c {
		if c[i] = part / 12.92; part > 0.04045 {
			c[i] = math.Pow((part+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
}

func contrast(a, b rgb) float64 {
	darker, lighter := min(a.luminance(), b.luminance()), max(a.luminance(), b.luminance())
	return (lighter + 0.05) / (darker + 0.05)
}

func TestTextAndStatesStandOutFromWhatIsBehindThem(t *testing.T) {
	css, err := files.ReadFile("page/style.css")
	if err != nil {
		t.Fatal(err)
	}
	for scheme, group := range map[string]int{"light": 3, "dark": 4} {
		colours, hues := map[string]rgb{}, map[string]rgb{}
		for _, found := range colour.FindAllStringSubmatch(string(css), -1) {
			if found[1] != "" {
				hues[found[1]] = rgbOf(t, found[group])
			} else {
				colours[found[2]] = rgbOf(t, found[group])
			}
		}
		if len(hues) != 7 {
			t.Fatalf("there are %d hues", len(hues))
		}
		check := func(name, behind string, a, b rgb, least float64) {
			if got := contrast(a, b); got < least {
				t.Errorf("%s: %s on %s has %.2f of %.1f", scheme, name, behind, got, least)
			}
		}
		for _, tt := range []struct {
			front, behind string
			least         float64
		}{
			{"ink", "paper", readable}, {"ink", "raised", readable}, {"soft", "paper", readable}, {"soft", "raised", readable},
			{"trouble", "paper", readable}, {"trouble", "raised", readable}, {"on-trouble", "trouble", readable}, {"paper", "press", readable},
			{"edge", "paper", visible}, {"edge", "raised", visible}, {"focus", "paper", visible}, {"focus", "raised", visible},
			{"dot", "paper", visible}, {"good", "paper", visible},
		} {
			check(tt.front, tt.behind, colours[tt.front], colours[tt.behind], tt.least)
		}
		for name, hue := range hues {
			tint := hue.on(colours["paper"], tintShare)
			check(name, "paper", hue, colours["paper"], visible)
			check(name, "its tint", hue, tint, visible)
			check("trouble", name+"'s tint", colours["trouble"], tint, visible)
		}
	}
}
