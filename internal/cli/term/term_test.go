package term

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsNoTerminalHasColoursOnlyWhereTheyAreAskedFor(t *testing.T) {
	for _, tt := range []struct {
		when When
		env  map[string]string
		want Screen
	}{
		{Auto, nil, Screen{Width: 80}},
		{Never, nil, Screen{Width: 80}},
		{Always, nil, Screen{Width: 80, Colour: true}},
		{Always, map[string]string{"NO_COLOR": "1", "TERM": "dumb"}, Screen{Width: 80, Colour: true}},
		{Auto, map[string]string{"COLUMNS": "132"}, Screen{Width: 132, Known: true}},
		{Auto, map[string]string{"COLUMNS": "wide"}, Screen{Width: 80}},
		{Always, map[string]string{"LANG": "C"}, Screen{Width: 80, Colour: true, ASCII: true}},
		{Always, map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"}, Screen{Width: 80, Colour: true, ASCII: true}},
		{Always, map[string]string{"LANG": "C.utf8"}, Screen{Width: 80, Colour: true}},
	} {
		got := NewScreen(&bytes.Buffer{}, tt.when, func(name string) string { return tt.env[name] })
		if got != tt.want {
			t.Errorf("%s, %v: got %+v, want %+v", tt.when, tt.env, got, tt.want)
		}
	}
}

func TestColoursTakeNoRoom(t *testing.T) {
	painted := Screen{Colour: true}.Paint(Bold.And(Red), "läuft")
	if painted != "\x1b[1;31mläuft\x1b[0m" || Length(painted) != 5 {
		t.Errorf("got %q, of length %d", painted, Length(painted))
	}
	if got := Pad(painted, 7); got != painted+"  " {
		t.Errorf("got %q", got)
	}
	if got := PadLeft(painted, 7); got != "  "+painted {
		t.Errorf("got %q", got)
	}
	if got := (Screen{}).Paint(Bold, "plain"); got != "plain" {
		t.Errorf("got %q", got)
	}
}

func TestTextIsCutWhereItDoesNotFit(t *testing.T) {
	for width, want := range map[int]string{9: "müllabfuh", 8: "müllab..", 3: "m..", 2: "mü", 0: ""} {
		if got := Cut("müllabfuh", width); got != want {
			t.Errorf("%d columns: got %q, want %q", width, got, want)
		}
	}
}

func TestTextIsWrappedBetweenWords(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", []string{""}},
		{"one two three", []string{"one two", "three"}},
		{"a  word-that-is-too-long b", []string{"a", "word-that-is-too-long", "b"}},
	} {
		if diff := cmp.Diff(tt.want, Wrap(tt.text, 8)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", tt.text, diff)
		}
	}
}

func TestTimesAreHuman(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ got, want string }{
		{Age(now.Add(-72*time.Hour), now), "3d"},
		{Age(now.Add(-5*time.Minute-10*time.Second), now), "5m10s"},
		{Age(now.Add(time.Hour), now), "0s"},
		{Until(now.Add(7*time.Minute), now), "7m"},
		{Stamp(now.In(time.FixedZone("CEST", 7200))), "2026-05-01 12:00:00 UTC"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

func TestOfManyNamesAFewAreListedAndTheOthersCounted(t *testing.T) {
	for most, want := range map[int]string{5: "a, b, c, d, e", 9: "a, b, c, d, e", 4: "a, b, c and 2 more", 2: "a and 4 more"} {
		if got := Few([]string{"a", "b", "c", "d", "e"}, most); got != want {
			t.Errorf("%d: got %q, want %q", most, got, want)
		}
	}
	if got := Few(nil, 3); got != "" {
		t.Errorf("of none: got %q", got)
	}
}
