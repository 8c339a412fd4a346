package session

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestOnlyYesIsYes(t *testing.T) {
	for text, want := range map[string]bool{"y\n": true, " YES \n": true, "yes": true, "n\n": false, "\n": false, "yesterday\n": false} {
		if got, err := answer(t.Context(), strings.NewReader(text)); got != want || err != nil {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	if _, err := answer(t.Context(), strings.NewReader("")); !errors.Is(err, io.EOF) {
		t.Errorf("at the end of the input: got %v", err)
	}
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	in, out := io.Pipe() // nobody types
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if yes, err := answer(ctx, in); yes || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", yes, err)
	}
}
