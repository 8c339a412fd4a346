package controllers

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

const (
	reasonConflict  = "NodePortConflict"
	reasonMisplaced = "NodePortOutsidePool"
	reasonTooMany   = "TooManyNodePorts"

	// noteLimit is the API server's for the note of an event: a longer one would be refused.
	noteLimit = 1024
)

// trouble is what is wrong with a Service's numbers; without a message nothing is.
type trouble struct {
	reason, message string
	// advice is how to mend it, each by itself. It names numbers that are free now, so it is in the event alone: the
	// condition would change with every Service that comes or goes.
	advice []string
}

// told says whether the Service's condition says this already.
func (t trouble) told(before *metav1.Condition) bool {
	if before == nil {
		return t.message == ""
	}
	return before.Reason == t.reason && before.Message == t.message
}

func (t trouble) condition(now time.Time) metav1.Condition {
	return metav1.Condition{
		Type:               allocatedCondition,
		Status:             metav1.ConditionFalse,
		Reason:             t.reason,
		Message:            t.message,
		LastTransitionTime: metav1.NewTime(now).Rfc3339Copy(),
	}
}

// note is the text of the event, with as much advice as there is room for: half a command is none.
func (t trouble) note() string {
	text := t.message
	for _, advice := range t.advice {
		if longer := text + "; " + advice; len(longer) <= noteLimit {
			text = longer
		}
	}
	return note(text)
}

// note is as much of a text as an event can have.
func note(text string) string {
	if len(text) > noteLimit {
		return text[:noteLimit-len(" ...")] + " ..."
	}
	return text
}

// breachTrouble tells of the rules that a live Service breaks, and how to give it numbers that are free for it.
func breachTrouble(svc *corev1.Service, breaches []rules.Breach, free []int32) trouble {
	if len(breaches) == 0 {
		return trouble{}
	}
	t := trouble{reason: reasonMisplaced, message: "the Service keeps its number: "}
	if breaches[0].Reason == rules.ReasonTooManyPorts { // it comes last
		t = trouble{reason: reasonTooMany, message: "the Service keeps its numbers: "}
	}
	var errs field.ErrorList
	for _, b := range breaches {
		errs = append(errs, b.Err)
	}
	t.message += errs.ToAggregate().Error()
	for _, request := range misplaced(svc, breaches) {
		if request.Role != serviceports.HealthCheck && len(free) > 0 {
			t.advice = append(t.advice, fmt.Sprintf("to give it another number for %d: %s", request.NodePort, renumbering(nameOf(svc), request, free[0])))
			free = free[1:]
		}
	}
	return t
}

// misplaced are the requests whose numbers break rules.
func misplaced(svc *corev1.Service, breaches []rules.Breach) []serviceports.Request {
	return slices.DeleteFunc(serviceports.Requests(svc), func(r serviceports.Request) bool {
		return !slices.ContainsFunc(breaches, func(b rules.Breach) bool { return b.Err.BadValue == r.NodePort })
	})
}
