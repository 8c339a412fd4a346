package certificate

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// authorities are certificates of authorities, made a year apart and so ending a year apart; the last is made now.
func authorities(t rapid.TB, count int, now time.Time) [][]byte {
	var made [][]byte
	for i := range count {
		age := time.Duration(count-1-i) * serverLifetime
		made = append(made, quickly(t, nil, everything, now.Add(-age))[authorityCert])
	}
	return made
}

func TestABundleTrustsThePresentAuthorityBesideEarlierOnes(t *testing.T) {
	now := time.Now()
	a := authorities(t, 13, now) // the first two have ended, the third nearly so
	present, before, older, oldest, ended := a[12], a[11], a[10], a[9], a[0]
	for _, tc := range []struct {
		name          string
		bundle        [][]byte
		present, want [][]byte
	}{
		{"nothing yet", nil, [][]byte{present}, [][]byte{present}},
		{"all is well", [][]byte{present, before}, [][]byte{present}, [][]byte{present, before}},
		{"a new one", [][]byte{before}, [][]byte{present}, [][]byte{present, before}},
		{"an earlier one comes back", [][]byte{present, before}, [][]byte{oldest}, [][]byte{oldest, present, before}},
		{"the order does not matter", [][]byte{before, present}, [][]byte{present}, [][]byte{before, present}},
		{"too many", [][]byte{before, older, oldest}, [][]byte{present}, [][]byte{present, before, older}},
		{"one has ended", [][]byte{before, ended}, [][]byte{present}, [][]byte{present, before}},
		{"one has ended, and else all is well", [][]byte{present, ended}, [][]byte{present}, [][]byte{present}},
		{"something else stands there", [][]byte{[]byte("no certificate\n")}, [][]byte{present}, [][]byte{present}},
		{"the Secret has none", [][]byte{before}, nil, [][]byte{before}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := trusting(slices.Concat(tc.bundle...), slices.Concat(tc.present...), now)
			if !bytes.Equal(got, slices.Concat(tc.want...)) {
				t.Errorf("got\n%s\nwant\n%s", got, slices.Concat(tc.want...))
			}
			if again := trusting(got, slices.Concat(tc.present...), now); !bytes.Equal(again, got) {
				t.Errorf("once more it becomes\n%s", again)
			}
		})
	}
}
