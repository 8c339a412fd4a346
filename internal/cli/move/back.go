package move

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/session"
)

// takeBack ends a move with the old number. What has been announced closes only where somebody says so.
func (v *mover) takeBack(ctx context.Context, svc *corev1.Service) error {
	if v.mark == nil {
		return fmt.Errorf("nothing to undo: Service %s is not on the move; to give it an old number back say --to", v.key.Name)
	}
	m, at := v.mark, v.mark.stage(svc)
	if at == Done {
		return fmt.Errorf("the move of Service %s is over, and %d may be closed: to go back, with both open for a while, %s", v.key.Name, m.From, v.command("--to", fmt.Sprint(m.From)))
	}
	back := svc.DeepCopy()
	undo(back, m)
	closes := slices.DeleteFunc(numbers(svc), func(n int32) bool { return slices.Contains(numbers(back), n) })
	if at != Opened && len(closes) > 0 {
		if ok, err := v.agreed(ctx, fmt.Sprintf("Close %s now?", list(closes))); err != nil || !ok {
			return err
		}
	}
	err := v.persist(ctx, func() error {
		now, err := v.current(ctx)
		if err != nil {
			return err
		}
		if !slices.Equal(numbers(now), numbers(svc)) || v.mark.stage(now) != at {
			return fmt.Errorf("somebody has changed Service %s meanwhile: run %s again", v.key.Name, v.command("--undo"))
		}
		back = now.DeepCopy()
		undo(back, m)
		return v.write(ctx, now, back)
	})
	if err == nil {
		v.say("Undone: Service %s has %s.", v.key.Name, entries(back))
	}
	return err
}

// agreed asks, where nobody has said --yes.
func (v *mover) agreed(ctx context.Context, question string) (bool, error) {
	if v.yes {
		return true, nil
	}
	ok, err := v.Ask(ctx, question)
	if errors.Is(err, session.ErrNobodyToAsk) {
		err = fmt.Errorf("%s %w: say --yes", question, err)
	}
	return ok, err
}
