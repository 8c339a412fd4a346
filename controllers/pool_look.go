package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

// look is all pools at a moment: to see one of them costs as much as to see all, and a change concerns all.
type look struct {
	at       time.Time
	editions map[string]edition
	chart    *rules.Chart
	counts   map[string]allocator.Counts
	breaches survey
}

// edition is what its user has last made of a pool.
type edition struct {
	uid        types.UID
	generation int64
}

func editionOf(pool *v1alpha1.NodePortPool) edition { return edition{pool.UID, pool.Generation} }

// lookFor is a look that knows the pool as it is. Else it is as things were half of settle ago at most: a change brings
// every pool here settle later. It is for the one worker of the controller, when the ledger is ready.
func (r *poolReconciler) lookFor(ctx context.Context, pool *v1alpha1.NodePortPool) (look, error) {
	if time.Since(r.last.at) <= settle/2 && r.last.editions[pool.Name] == editionOf(pool) {
		return r.last, nil
	}
	l := look{at: time.Now(), editions: map[string]edition{}}
	pools := r.charts.pools()
	for _, p := range pools {
		l.editions[p.Name] = editionOf(p)
	}
	l.chart = r.ledger.ChartOf(pools)
	l.counts = r.ledger.Counts(l.chart)
	var err error
	if l.breaches, err = r.survey(ctx, l.chart); err != nil {
		return look{}, err
	}
	r.last = l
	return l, nil
}
