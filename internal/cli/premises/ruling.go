package premises

import corev1 "k8s.io/api/core/v1"

// Ruling is what the API server answers to a Service on a dry run. The zero value refuses nothing.
type Ruling struct {
	// Service is as it would be there; nil: it is refused, or the API server was not asked.
	Service *corev1.Service
	// Old is the one in whose place it would be; nil: there is none, or it was asked anew.
	Old *corev1.Service
	// Errors are why it is refused, Warnings what is said beside that, word for word.
	Errors   []Refusal
	Warnings []string
	// Unasked says why the API server was not asked, in words that go on after "and"; empty: it was.
	Unasked string
}

// Refusal is one reason for which a Service is refused.
type Refusal struct {
	// Field is the one that it is about; empty: none.
	Field string
	// Text begins with the field, where there is one.
	Text string
}
