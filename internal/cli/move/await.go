package move

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"

	"github.com/portolan-dev/portolan/internal/cli/session"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

const (
	// poll is how often it is looked whether nodes answer.
	poll = 500 * time.Millisecond
	// settle is how long nodes have to catch up with endpoints that are there: they write rules at most once in a second.
	settle = 2 * time.Second
)

// awaitAnswers returns when both entries answer alike. seen: that is known of all nodes; else it says what is not, and has
// waited for a while instead.
func (v *mover) awaitAnswers(ctx context.Context) (seen bool, err error) {
	last, err := v.awaitVerdict(ctx)
	if err != nil {
		return false, err
	}
	if len(last.unseen) == 0 {
		return true, pause(ctx, settle)
	}
	for _, text := range last.unseen {
		v.say("%s", text)
	}
	v.say("So %s pass before the switch, without knowing that %d answers everywhere.", v.settle, v.mark.To)
	return false, pause(ctx, v.settle)
}

// awaitVerdict looks until there is nothing more to wait for. What goes wrong on the way may be over when it looks again.
func (v *mover) awaitVerdict(ctx context.Context) (last verdict, err error) {
	defer term.Progress(v.ErrOut, fmt.Sprintf("Waiting until %d answers", v.mark.To))()
	begun, s := v.Now(), &sight{client: v.client}
	last.missing = "the API server has not answered"
	var trouble error
	err = wait.PollUntilContextTimeout(ctx, poll, v.timeout, true, func(ctx context.Context) (bool, error) {
		now, err := v.look(ctx, s, begun)
		if err == nil {
			last, trouble = now, nil
			return now.missing == "", nil
		}
		if ctx.Err() == nil {
			trouble = err
		}
		return false, final(err)
	})
	switch {
	case err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
		return last, err
	case trouble != nil:
		return last, fmt.Errorf("after %s: %w. %s", v.timeout, trouble, v.howItStands())
	}
	return last, fmt.Errorf("after %s %s. %s", v.timeout, last.missing, v.howItStands())
}

func (v *mover) look(ctx context.Context, s *sight, begun time.Time) (verdict, error) {
	svc, err := v.current(ctx)
	if err != nil {
		return verdict{}, err
	}
	if at := v.mark.stage(svc); at != Opened {
		return verdict{}, nil // the step says what to do
	}
	p, err := s.look(ctx, svc, v.Now())
	if err != nil {
		return verdict{}, err
	}
	return judge(p, svc, v.mark, v.Now().Sub(begun)), nil
}

// final is an error that does not pass by itself; nil: it may.
func final(err error) error {
	var over stopped
	if errors.As(err, &over) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return err
	}
	return nil
}

// persist tries a step again where somebody else was faster, or the API server was not there.
func (v *mover) persist(ctx context.Context, step func() error) error {
	passing := func(err error) bool {
		var away *url.Error
		return ctx.Err() == nil && (apierrors.IsConflict(err) || apierrors.IsInternalError(err) || apierrors.IsServiceUnavailable(err) || errors.As(err, &away))
	}
	return retry.OnError(wait.Backoff{Steps: 6, Duration: 50 * time.Millisecond, Factor: 3, Jitter: 0.1}, passing, step)
}

// mayEnd waits, or asks. Where there is nobody to ask it says how to end the move.
func (v *mover) mayEnd(ctx context.Context) (bool, error) {
	m := v.mark
	switch {
	case v.wait > 0:
		rest := v.wait
		if m.Switched != nil {
			rest = max(0, m.Switched.Add(v.wait).Sub(v.Now()))
		}
		v.say("%d closes in %s.", m.From, rest.Round(time.Second))
		return true, pause(ctx, rest)
	case v.yes:
		return true, nil
	}
	end, err := v.Ask(ctx, fmt.Sprintf("Close %d now?", m.From))
	if errors.Is(err, session.ErrNobodyToAsk) {
		end, err = false, nil
	}
	if err == nil && !end {
		v.say("Both %d and %d stay open. To close %d: %s. To take all back: %s.", m.From, m.To, m.From, v.command("--yes"), v.command("--undo"))
	}
	return end, err
}

// pause waits for a time, or until somebody interrupts.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
