package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/session"
)

// mover takes the steps, one write each, and tells of them. It is about one move, of one Service: when another has begun
// meanwhile, or the Service is another of its name, it takes no step more.
type mover struct {
	*session.Session
	options
	client   client.Client
	key      client.ObjectKey
	premises func(context.Context) (*picture.Picture, error) // what is planned by

	uid  types.UID // of the Service
	mark *Mark     // nil: no move is known
}

func newMover(s *session.Session, o options, name string) (*mover, error) {
	namespace, _, err := s.Namespace()
	if err != nil {
		return nil, err
	}
	c, err := s.Client()
	if err != nil {
		return nil, session.Explained(err)
	}
	premises := func(ctx context.Context) (*picture.Picture, error) {
		return s.Load(ctx, picture.Accesses, picture.Reservations)
	}
	return &mover{Session: s, options: o, client: c, key: client.ObjectKey{Namespace: namespace, Name: name}, premises: premises}, nil
}

func (v *mover) run(ctx context.Context) error {
	var svc *corev1.Service
	err := retry.RetryOnConflict(retry.DefaultRetry, func() (err error) { // where somebody else begins at the same time
		svc, err = v.start(ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case v.undo:
		err = v.takeBack(ctx, svc)
	default:
		err = v.goOn(ctx, svc)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("interrupted. %s", v.howItStands())
	}
	return err
}

// start finds the move that is under way, or begins one.
func (v *mover) start(ctx context.Context) (*corev1.Service, error) {
	svc, err := v.get(ctx)
	if err != nil {
		return nil, err
	}
	v.uid = svc.UID
	if v.mark, err = markOf(svc); err != nil || v.undo {
		return svc, err
	}
	if v.mark == nil || v.to != 0 && v.over(svc) {
		return v.begin(ctx, svc)
	}
	return svc, v.same()
}

// over says whether somebody else has ended the move, but for its mark, and the wish is for another.
func (v *mover) over(svc *corev1.Service) bool {
	at := v.mark.stage(svc)
	return at == Undone || at == Done && v.to != v.mark.To
}

// begin opens the new number.
func (v *mover) begin(ctx context.Context, svc *corev1.Service) (*corev1.Service, error) {
	p, err := v.premises(ctx)
	if err != nil {
		return nil, err
	}
	m, err := plan(p, svc, v.wish)
	if err != nil {
		return nil, err
	}
	texts := advice(p, svc, m)
	opened := svc.DeepCopy()
	open(opened, m, v.rename)
	if err := v.write(ctx, svc, opened); err != nil {
		return nil, unopened(err)
	}
	v.mark = m
	for _, text := range texts {
		v.say("%s", text)
	}
	v.say("Opened: %d is open beside %d.", m.To, m.From)
	return opened, nil
}

// unopened says what became of a move that did not begin.
func unopened(err error) error {
	if answer := apierrors.APIStatus(nil); errors.As(err, &answer) {
		return fmt.Errorf("nothing is changed: %w", err)
	}
	return fmt.Errorf("run the command again to see whether the number was opened: %w", session.Explained(err))
}

// same refuses another move than the one that is under way.
func (v *mover) same() error {
	if v.to == 0 || v.to == v.mark.To {
		return nil
	}
	return fmt.Errorf("it is on the move from %d to %d already: end that first, by %s or %s", v.mark.From, v.mark.To, v.command("--yes"), v.command("--undo"))
}

// goOn takes the steps that are left.
func (v *mover) goOn(ctx context.Context, svc *corev1.Service) error {
	at := v.mark.stage(svc)
	if at == Opened {
		if err := v.switchOver(ctx); err != nil {
			return err
		}
		at = Switched
	}
	if at == Switched {
		if end, err := v.mayEnd(ctx); err != nil || !end {
			return err
		}
	}
	return v.end(ctx)
}

// switchOver gives the own entry the new number, once both answer.
func (v *mover) switchOver(ctx context.Context) error {
	seen, err := v.awaitAnswers(ctx)
	if err != nil {
		return err
	}
	if _, err := v.step(ctx, Opened); err != nil {
		return err
	}
	claim := "both numbers answer. Tell your clients"
	if !seen {
		claim = fmt.Sprintf("both numbers are open. Try %d before you tell your clients", v.mark.To)
	}
	v.say("Switched: Service %s has %d, and %s, and say %d in its manifest.", v.key.Name, v.mark.To, claim, v.mark.To)
	return nil
}

// end closes the old number, unless somebody else has ended the move.
func (v *mover) end(ctx context.Context) error {
	left, err := v.step(ctx, Switched, Done, Undone)
	if err != nil {
		return err
	}
	m := v.mark
	if left == Undone {
		v.say("Somebody has given Service %s %d back, and taken %d away: the move is over. To begin again say --to.", v.key.Name, m.From, m.To)
		return nil
	}
	v.say("Done: Service %s has %d. %d is closed, and held for the Service for as long as its pool holds numbers: kubectl portolan who %d", v.key.Name, m.To, m.From, m.From)
	return nil
}

// step takes the step that follows on one of some stages, on the Service as it is, and returns which it was.
func (v *mover) step(ctx context.Context, from ...Stage) (left Stage, err error) {
	err = v.persist(ctx, func() error {
		svc, err := v.current(ctx)
		if err != nil {
			return err
		}
		left = v.mark.stage(svc)
		if left != Astray && !slices.Contains(from, left) {
			return fmt.Errorf("somebody else has brought Service %s to stage %s: to go on from there run %s", v.key.Name, left, v.command())
		}
		changed := svc.DeepCopy()
		if err := next(changed, v.mark, v.Now()); err != nil {
			return fmt.Errorf("%w: end the move of Service %s from %d to %d with %s", err, v.key.Name, v.mark.From, v.mark.To, v.command("--undo"))
		}
		return v.write(ctx, svc, changed)
	})
	return left, err
}

// get reads the Service.
func (v *mover) get(ctx context.Context) (*corev1.Service, error) {
	svc := &corev1.Service{}
	err := v.client.Get(ctx, v.key, svc)
	if apierrors.IsNotFound(err) {
		return nil, stopped{fmt.Sprintf("there is no Service %s in namespace %s: choose another namespace by -n", v.key.Name, v.key.Namespace)}
	}
	return svc, session.Explained(err)
}

// current is the Service as it is now, on the move that this run is about.
func (v *mover) current(ctx context.Context) (*corev1.Service, error) {
	svc, err := v.get(ctx)
	if err != nil {
		return nil, err
	}
	now, err := markOf(svc)
	switch {
	case err != nil:
		return nil, stopped{err.Error()}
	case now == nil || svc.UID != v.uid:
		return nil, stopped{fmt.Sprintf("the move is over: somebody else has ended it, see kubectl get service %s -n %s", v.key.Name, v.key.Namespace)}
	case !now.is(v.mark):
		return nil, stopped{fmt.Sprintf("another move has begun meanwhile, from %d to %d: to go on with that one run %s", now.From, now.To, v.command())}
	}
	v.mark = now
	return svc, nil
}

// stopped says that there is nothing to do for this run any more.
type stopped struct{ text string }

// Error implements error.
func (s stopped) Error() string { return s.text }

// write writes what a step has made of the Service; a conflict where somebody else was faster. after is then as written.
func (v *mover) write(ctx context.Context, before, after *corev1.Service) error {
	text, err := json.Marshal(patch(before, after))
	if err != nil {
		return err
	}
	return v.client.Patch(ctx, after, client.RawPatch(types.JSONPatchType, text), client.FieldOwner(manager))
}
