package controllers

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/metrics"
)

// accessReasons are the reasons of each condition of a NodePortAccess.
var accessReasons = map[string][]string{
	v1alpha1.AccessReady:      {v1alpha1.AccessReasonSelects, v1alpha1.AccessReasonSelectsNothing, v1alpha1.AccessReasonInvalid},
	v1alpha1.AccessProgrammed: {v1alpha1.AccessReasonAllNodes, v1alpha1.AccessReasonProgramming, v1alpha1.AccessReasonNoGuard},
}

// accessTally counts NodePortAccess objects by the reasons of their conditions, for the metric.
type accessTally struct {
	mu      sync.Mutex // guards reasons
	reasons map[types.NamespacedName]accessReasonsOf
}

// accessReasonsOf are the reasons of one object's conditions.
type accessReasonsOf struct{ ready, programmed string }

func newAccessTally() *accessTally {
	return &accessTally{reasons: map[types.NamespacedName]accessReasonsOf{}}
}

// note takes in the conditions of an object; none: it has gone. It takes no longer with more objects.
func (t *accessTally) note(name types.NamespacedName, conditions []metav1.Condition) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.reasons) == 0 {
		t.begin()
	}
	if was, known := t.reasons[name]; known {
		was.count(-1)
		delete(t.reasons, name)
	}
	if len(conditions) == 0 {
		return
	}
	is := accessReasonsOf{reasonOf(conditions, v1alpha1.AccessReady), reasonOf(conditions, v1alpha1.AccessProgrammed)}
	t.reasons[name] = is
	is.count(1)
}

func reasonOf(conditions []metav1.Condition, condition string) string {
	if found := meta.FindStatusCondition(conditions, condition); found != nil {
		return found.Reason
	}
	return ""
}

// begin has a series for every reason, so that none is missing.
func (*accessTally) begin() {
	for condition, reasons := range accessReasons {
		for _, reason := range reasons {
			metrics.Accesses.WithLabelValues(condition, reason).Set(0)
		}
	}
}

// count counts an object in, or out. Reasons that are not known have no series.
func (r accessReasonsOf) count(objects float64) {
	for condition, reason := range map[string]string{v1alpha1.AccessReady: r.ready, v1alpha1.AccessProgrammed: r.programmed} {
		if slices.Contains(accessReasons[condition], reason) {
			metrics.Accesses.WithLabelValues(condition, reason).Add(objects)
		}
	}
}
