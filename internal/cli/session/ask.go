package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// ErrNobodyToAsk says that there is a question and nobody at a terminal to answer it.
var ErrNobodyToAsk = errors.New("the input is no terminal, so that nobody can be asked")

// Ask puts a question to be answered by y or n on the error stream: the output may be read by a program. Anything but y or
// yes is no. When ctx ends before the answer its error is returned, and the input is not to be read any more.
func (s *Session) Ask(ctx context.Context, question string) (yes bool, err error) {
	if !term.IsTerminal(s.In) {
		return false, ErrNobodyToAsk
	}
	fmt.Fprintf(s.ErrOut, "%s [y/N] ", question)
	yes, err = answer(ctx, s.In)
	if ctx.Err() != nil {
		fmt.Fprintln(s.ErrOut) // the cursor is behind the question
	}
	return yes, err
}

// answer reads a line. A read cannot be called off: the goroutine stays until the input ends, or the program.
func answer(ctx context.Context, in io.Reader) (yes bool, err error) {
	type read struct {
		line string
		err  error
	}
	done := make(chan read, 1)
	go func() {
		line, err := bufio.NewReader(in).ReadString('\n')
		done <- read{line, err}
	}()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case r := <-done:
		if r.err != nil && r.line == "" {
			return false, r.err
		}
		word := strings.ToLower(strings.TrimSpace(r.line))
		return word == "y" || word == "yes", nil
	}
}
