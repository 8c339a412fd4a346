package lint

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/manifest"
	"github.com/portolan-dev/portolan/internal/cli/premises"
	"github.com/portolan-dev/portolan/internal/rules"
)

// Ask has the API server judge a Service by a dry run.
type Ask func(svc *corev1.Service) premises.Ruling

// asked judges a Service where not all that admission decides by may be read: the API server does, as if it were applied by
// itself. What the files do to each other is found here.
func (l *linter) asked(s manifest.Of[*corev1.Service], q rules.Question) {
	ruling := l.ask(s.Value)
	q.Old = ruling.Old
	if ruling.Unasked != "" && !slices.Contains(l.unasked, ruling.Unasked) {
		l.unasked = append(l.unasked, ruling.Unasked)
	}
	for _, err := range ruling.Errors {
		l.find(s.Object, Error, RuleRefused, err.Field, err.Text)
	}
	for _, text := range ruling.Warnings {
		l.find(s.Object, Warning, RuleWarning, fieldOf(text), text)
	}
	if len(ruling.Errors) == 0 {
		l.withoutPools(s, q)
	}
}

// unjudged says of what else nothing is found, since it goes by what may not be read.
func (l *linter) unjudged(o *manifest.Object) {
	l.find(o, Warning, RuleNotJudged, "", "not judged: it goes by pools and numbers that you may not all read")
}

// notJudged is what keeps Services from being judged; "": nothing.
func (l *linter) notJudged() string {
	if len(l.unasked) == 0 {
		return ""
	}
	return fmt.Sprintf("Services are not judged: you may not read all that they are decided by, and %s: ask somebody who may, or for ClusterRole edit in the namespace",
		strings.Join(l.unasked, ", and "))
}
