package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/test/polling"
)

// short is how long things are broken in make test.
const short = 45 * time.Second

func TestWhateverBreaksEachNumberHasOneOwnerAndTheLedgerKnowsIt(t *testing.T) {
	lasts := max(short, time.Duration(*minutes)*time.Minute)
	r := &round{seed: *seed, program: *program, lasts: lasts, out: os.Stdout}
	found, err := r.run(t.Context())
	if len(found) > 0 {
		t.Errorf("%d violations, with -seed=%d", len(found), *seed)
	}
	if err != nil {
		t.Errorf("this proves nothing, with -seed=%d:\n%s", *seed, err)
	}
}

// round is one run.
type round struct {
	seed    uint64
	program string
	lasts   time.Duration
	until   func([]violation) bool // ends it early; nil: nothing does
	out     io.Writer
}

// run breaks things for as long as is wanted, lets all come to rest, and judges. It fails where what happened proves nothing.
func (r *round) run(ctx context.Context) (found []violation, err error) {
	fmt.Fprintf(r.out, "seed %d: faults for %s\n", r.seed, r.lasts)
	s, err := start(ctx, r.seed, r.program, io.Discard)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	g := newGround()
	if err := s.settle(ctx, g); err != nil {
		return nil, err
	}
	if err := r.breakThings(ctx, s, g); err != nil {
		return nil, err
	}
	j := newJudge(g, s.soFar())
	var worthless error
	if found = j.replay(); r.until == nil || !r.until(found) {
		if j, found, err = r.rest(ctx, s, g); err != nil {
			return nil, err
		}
		worthless = j.lacking(r.lasts)
		lost, err := s.withheld(ctx, g)
		if err != nil {
			return nil, err
		}
		found = append(found, lost...)
	}
	disorders, unknown := j.disorders()
	found = append(found, disorders...)
	s.printTables(r.out)
	j.printCounts(r.out)
	j.printViolations(r.out, found)
	fmt.Fprintf(r.out, "%d violations\n", len(found))
	return found, errors.Join(worthless, unknown, ctx.Err())
}

// breakThings has clients at work while things break.
func (r *round) breakThings(ctx context.Context, s *site, g ground) error {
	users, err := s.newUsers(g)
	if err != nil {
		return err
	}
	d, err := s.newDrill(ctx, g)
	if err != nil {
		return err
	}
	limited, end := context.WithCancel(ctx)
	defer end()
	var all sync.WaitGroup
	for _, u := range users {
		all.Go(func() { u.run(limited, &s.quiet) })
	}
	all.Go(func() { s.breakAll(limited, s.lanes(d)) })
	all.Go(func() {
		r.await(limited, s, g)
		end()
	})
	all.Wait()
	return s.trouble()
}

// overtime is for how much longer things are broken where the machine is too slow for enough to happen in time.
const overtime = 2 * time.Minute

// await returns when the time is over and enough has happened, or enough is found.
func (r *round) await(ctx context.Context, s *site, g ground) {
	for began := time.Now(); pause(ctx, time.Second); {
		lasted := time.Since(began)
		if r.until == nil && lasted < r.lasts {
			continue
		}
		j := newJudge(g, s.soFar())
		found := j.replay()
		if r.until != nil && r.until(found) || lasted >= r.lasts && j.lacking(r.lasts) == nil || lasted >= r.lasts+overtime {
			return
		}
	}
}

// calm is how long it may take until all that was broken is as it should be.
const calm = time.Minute

// rest waits until all is at rest, and judges, also by what is still not as it should be then. A long run waits until every
// claim that nobody came for has gone, too.
func (r *round) rest(ctx context.Context, s *site, g ground) (j *judge, found []violation, err error) {
	revision, err := s.EtcdRevision(ctx)
	if err != nil {
		return nil, nil, err
	}
	within := calm
	if r.lasts > short {
		within += allocator.ClaimGrace
	}
	seen := int64(0)
	_ = polling.Until(within, time.Second, func() error { // what is left then is found
		seen = s.seen()
		j = newJudge(g, s.soFar())
		found = j.replay()
		left := j.conclude(time.Now())
		found = append(found, left...)
		if seen < revision || len(left) > 0 || r.lasts > short && j.waits() {
			return errors.New("not yet")
		}
		return nil
	})
	if seen < revision {
		return nil, nil, fmt.Errorf("etcd's history is known up to revision %d, and went on to %d", seen, revision)
	}
	natively, err := s.NativelyAllocated(ctx)
	j.counts["numbers that Kubernetes' allocator keeps for no Service until its repair"] = len(slices.DeleteFunc(natively, j.carried))
	return j, found, err
}

// kindsOf are the kinds of violations, each once.
func kindsOf(found []violation) string {
	var kinds []string
	for _, v := range found {
		if !slices.Contains(kinds, v.kind) {
			kinds = append(kinds, v.kind)
		}
	}
	return strings.Join(kinds, "; ")
}

// TestEachMutantIsCaught runs programs that are broken on purpose, and wants to find it each time.
func TestEachMutantIsCaught(t *testing.T) {
	if *mutant == "" {
		t.Skip("make soak-mutants runs it: it needs a manager that is broken on purpose")
	}
	for _, m := range []struct {
		name string
		want []string // one of these kinds of violations says what is broken
	}{
		{"claim-skipped", []string{unclaimed}},
		{"hold-ignored", []string{broken}},
		{"replay-skipped", []string{early}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Setenv("PORTOLAN_MUTANT", m.name)
			var log strings.Builder
			caught := func(found []violation) bool {
				return slices.ContainsFunc(found, func(v violation) bool { return slices.Contains(m.want, v.kind) })
			}
			r := &round{seed: *seed, program: *mutant, lasts: 3 * time.Minute, until: caught, out: &log}
			began := time.Now()
			found, err := r.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !caught(found) {
				t.Fatalf("not caught, for it is %q:\n%s", kindsOf(found), &log)
			}
			fmt.Printf("mutant %s is caught after %s: %s\n", m.name, time.Since(began).Round(time.Second), kindsOf(found))
		})
	}
}
