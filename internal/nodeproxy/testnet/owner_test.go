package testnet

import (
	"errors"
	"slices"
	"testing"
)

func TestAPartOfAProgramEndsWithWhatFailsIt(t *testing.T) {
	var ended []string
	err := Run(func(p T) error {
		p.Cleanup(func() { ended = append(ended, "first made") })
		p.Cleanup(func() { ended = append(ended, "last made") })
		p.Fatal("no ", "luck")
		return nil
	})
	if err == nil || err.Error() != "no luck" {
		t.Errorf("got error %v", err)
	}
	if want := []string{"last made", "first made"}; !slices.Equal(ended, want) {
		t.Errorf("cleaned up %q, want %q", ended, want)
	}
	failure := errors.New("failure")
	if err := Run(func(T) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("got error %v", err)
	}
	if err := Run(func(p T) error { p.Skip("not here"); return nil }); !errors.Is(err, ErrSkipped) {
		t.Errorf("got error %v", err)
	}
}
