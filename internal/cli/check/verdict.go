package check

import (
	"fmt"
	"slices"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/knock"
)

// Attempt is a door, from where it was tried, and what came of it.
type Attempt struct {
	Port     string `json:"port"`
	NodePort int32  `json:"nodePort"`
	Node     string `json:"node"`
	Address  string `json:"address"`
	// From is the node from which it was tried; empty: from where the program runs.
	From    string        `json:"from,omitempty"`
	Outcome knock.Outcome `json:"outcome"`
	// Milliseconds is how long the answer took.
	Milliseconds float64 `json:"milliseconds,omitempty"`
	Pod          string  `json:"pod,omitempty"`
	Cause
	// Finding: it is not as it should be.
	Finding bool `json:"finding,omitempty"`
}

// Report is what was found of a Service.
type Report struct {
	Namespace string    `json:"namespace"`
	Service   string    `json:"service"`
	Verdict   string    `json:"verdict"`
	Attempts  []Attempt `json:"attempts,omitempty"`
	// NotTried are nodes from which it should have been tried.
	NotTried []Miss `json:"notTried,omitempty"`
}

// Miss is a node from which nothing was tried, and why.
type Miss struct {
	From string `json:"from"`
	Cause
}

// Knocked is what came of a Service's doors, tried from one place.
type Knocked struct {
	From    string // a node; empty: here
	Doors   []Door
	Answers []knock.Answer
	// Missed is why nothing was tried from there; it says nothing: it was.
	Missed Cause
}

// Judge says what the answers mean.
func Judge(p *picture.Picture, namespace, service string, all []Knocked) Report {
	r := Report{Namespace: namespace, Service: service}
	for _, from := range all {
		if from.Missed.Says != "" {
			r.NotTried = append(r.NotTried, Miss{From: from.From, Cause: from.Missed})
			continue
		}
		for i, door := range from.Doors {
			r.Attempts = append(r.Attempts, attempt(p, from.From, door, from.Answers[i], from.answers(door)))
		}
	}
	r.Verdict = r.verdict()
	if len(r.NotTried) > 0 {
		r.Verdict += ", and nothing could be tried from " + term.Few(r.missing(), few)
	}
	return r
}

func (r Report) missing() []string {
	var nodes []string
	for _, miss := range r.NotTried {
		nodes = append(nodes, miss.From)
	}
	return nodes
}

// Well says whether there is nothing to mend: all is as it should be, wherever it was to be tried.
func (r Report) Well() bool { return len(r.Findings()) == 0 && len(r.NotTried) == 0 }

// answers says whether the door's port answers at another node.
func (k Knocked) answers(door Door) bool {
	for i, other := range k.Doors {
		if other.Of == door.Of && other.Port == door.Port && other.Node != door.Node && k.Answers[i].Outcome == knock.OK {
			return true
		}
	}
	return false
}

func attempt(p *picture.Picture, from string, door Door, answer knock.Answer, elsewhere bool) Attempt {
	a := Attempt{
		Port: title(door.Port), NodePort: door.Port.NodePort, Node: door.Node, Address: door.Address.String(), From: from,
		Outcome: answer.Outcome, Milliseconds: float64(answer.Took.Microseconds()) / 1000, Pod: answer.Pod,
		Cause: examiner{p, door, answer, from, elsewhere}.causeOf(),
	}
	a.Finding = !a.Expected && (a.Outcome != knock.OK || a.Says != "")
	return a
}

// Findings are the attempts that are not as they should be.
func (r Report) Findings() []Attempt {
	return slices.DeleteFunc(slices.Clone(r.Attempts), func(a Attempt) bool { return !a.Finding })
}

func (r Report) verdict() string {
	if len(r.Attempts) == 0 {
		return "has no node port, or there is no node at which to try it"
	}
	ok, expected := 0, 0
	for _, a := range r.Attempts {
		switch {
		case a.Finding:
		case a.Outcome == knock.OK:
			ok++
		default:
			expected++
		}
	}
	findings := len(r.Attempts) - ok - expected
	switch {
	case findings == 0 && ok == 0:
		return "nothing was found out: none of its ports can be told"
	case findings == 0 && expected > 0:
		return fmt.Sprintf("answers wherever it should: %d of %d attempts, the others are not to, or cannot be told", ok, len(r.Attempts))
	case findings == 0:
		return fmt.Sprintf("answers everywhere: %d of %d attempts", ok, len(r.Attempts))
	case ok == 0:
		return "answers nowhere" + r.common()
	}
	return fmt.Sprintf("does not answer as it should at %d of %d attempts%s", findings, len(r.Attempts), r.common())
}

// common is the cause that all findings have.
func (r Report) common() string {
	findings := r.Findings()
	first := findings[0].Says
	for _, f := range findings {
		if f.Says != first {
			return ""
		}
	}
	if first == "" {
		return ""
	}
	return ": " + first
}
