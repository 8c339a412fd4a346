package term

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestWhatOthersHaveWrittenMovesNoCursorAndHidesNothing(t *testing.T) {
	for _, tt := range []struct{ written, want string }{
		{"30100\tshop/web\nläuft, 木\n", "30100\tshop/web\nläuft, 木\n"},
		{Screen{Colour: true}.Paint(Alarm, "trouble") + "!", "\x1b[1;97;41mtrouble\x1b[0m!"},
		{Screen{Colour: true}.Paint(Bold, "1;m"), "\x1b[1m1;m\x1b[0m"},
		{"a\x1b[2J\x1b[Hb", `a\u001b[2J\u001b[Hb`},
		{"\x1b[8mhidden", `\u001b[8mhidden`},
		{"\x1b[31;8mhidden", `\u001b[31;8mhidden`},
		{"\x1b]0;title\a", `\u001b]0;title\u0007`},
		{"\x1b]52;c;Y3VybA==\x1b\\", `\u001b]52;c;Y3VybA==\u001b\`},
		{"fine\revil", `fine\u000devil`},
		{"c1: \u009b2J \x9b2J", `c1: \u009b2J \x9b2J`},
		{"\u202egnp.exe", `\u202egnp.exe`},
		{"del\x7f\b\x00", `del\u007f\u0008\u0000`},
	} {
		for _, size := range []int{1, 2, 3, len(tt.written)} { // of each Write
			var out bytes.Buffer
			g := &Guarded{Stream: &out}
			for i := 0; i < len(tt.written); i += size {
				part := []byte(tt.written[i:min(i+size, len(tt.written))])
				if n, err := g.Write(part); n != len(part) || err != nil {
					t.Fatalf("wrote %d of %d: %v", n, len(part), err)
				}
			}
			if out.String() != tt.want {
				t.Errorf("%q, by %d: shown is %q, want %q", tt.written, size, out.String(), tt.want)
			}
		}
	}
}

func TestWhatIsGuardedIsTheSameJSON(t *testing.T) {
	const text = "a\x1b[2J\u009b\u202e\x7f\n\"\\"
	written, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := (&Guarded{Stream: &out}).Write(written); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != text {
		t.Errorf("%s is %q: %v", &out, got, err)
	}
}

func TestTheScreenIsThatOfWhatIsGuarded(t *testing.T) {
	getenv := func(string) string { return "" }
	if got, want := NewScreen(&Guarded{Stream: &bytes.Buffer{}}, Always, getenv), NewScreen(&bytes.Buffer{}, Always, getenv); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
