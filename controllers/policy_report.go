package controllers

import (
	"strings"
	"sync"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// answerLimit is how much of an answer of the API server is passed on: it quotes the expression that it refuses.
const answerLimit = 500

// policyReport is what the API server answered when the policy was last applied. Any number of goroutines may use it.
type policyReport struct {
	changed Bell

	mu      sync.Mutex // guards refusal
	refusal string     // empty: it was taken
}

// set notes the answer to an apply: "" where the policy was taken.
func (p *policyReport) set(refusal string) {
	p.mu.Lock()
	news := p.refusal != refusal
	p.refusal = refusal
	p.mu.Unlock()
	if news {
		p.changed.Ring()
	}
}

// troubleWith says what the API server has against the policy, nil where there is none; "" is nothing. What the type
// check said of an older generation stands until it has looked at the new one.
func (p *policyReport) troubleWith(policy *admissionv1.ValidatingAdmissionPolicy) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != "" || policy == nil || policy.Status.TypeChecking == nil {
		return p.refusal
	}
	var warnings []string
	for _, w := range policy.Status.TypeChecking.ExpressionWarnings {
		warnings = append(warnings, w.FieldRef+": "+strings.TrimSpace(w.Warning))
	}
	return shortened(strings.Join(warnings, "; "))
}

// shortened keeps the beginning and the end of a text that is too long: what is wrong stands behind what is quoted.
func shortened(text string) string {
	if len(text) <= answerLimit {
		return text
	}
	return strings.ToValidUTF8(text[:answerLimit/2], "") + " ... " + strings.ToValidUTF8(text[len(text)-answerLimit/2:], "")
}
