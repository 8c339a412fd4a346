package ephemeral

import (
	"fmt"
	"testing"
)

// FuzzSettingsAreReadOrRefused reads whatever the kernel's files may say.
func FuzzSettingsAreReadOrRefused(f *testing.F) {
	for _, seed := range [][2]string{{"32768\t60999", ""}, {"1024 65535", "8080,30200-30201"}, {"1 1", "0"}, {"1 2", "0-1023"}, {"1 2", "0,5"},
		{"1 2", "0-0"}, {"60999 32768", "00"}, {"1", ","}, {"-1 5", "x"}, {"1 65536", "0-"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, ports, reserved string) {
		if r, err := parseRange(ports); err == nil {
			if again, err := parseRange(fmt.Sprint(r.From, "\t", r.To)); err != nil || again != r {
				t.Errorf("%q: got %s, which is read as %s: %v", ports, r, again, err)
			}
		}
		s, err := parseReserved(reserved)
		if err != nil {
			return
		}
		again, err := parseReserved(s.Text())
		if err != nil || again.Text() != s.Text() {
			t.Errorf("%q: got %q, which is not read so: %v", reserved, s.Text(), err)
		}
		if s.Has(0) {
			t.Errorf("%q: it has 0", reserved)
		}
	})
}
