package admissionpolicy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// selects is whether a selector matches variables.labels. One that cannot be read selects nothing.
func selects(selector metav1.LabelSelector) string {
	parsed, err := metav1.LabelSelectorAsSelector(&selector)
	if err != nil {
		return "false"
	}
	requirements, _ := parsed.Requirements()
	if len(requirements) == 0 {
		return "true"
	}
	terms := make([]string, len(requirements))
	for i, r := range requirements {
		terms[i] = matches(r)
	}
	slices.Sort(terms)
	return strings.Join(terms, " && ")
}

// matches is one requirement of a selector. A label that is not there matches NotIn, as it does in Go.
func matches(r labels.Requirement) string {
	key := strconv.Quote(r.Key())
	there := key + " in variables.labels"
	one := fmt.Sprintf("%s && variables.labels[%s] in %s", there, key, oneLine(r.Values().List()))
	switch r.Operator() {
	case selection.Exists:
		return there
	case selection.DoesNotExist:
		return "!(" + there + ")"
	case selection.NotIn:
		return "!(" + one + ")"
	}
	return one
}
