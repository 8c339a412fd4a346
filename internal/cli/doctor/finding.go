package doctor

import (
	"errors"
	"fmt"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/picture"
)

// Severity says how bad a finding is.
type Severity string

const (
	// Trouble does not work as it should, or will not before long.
	Trouble Severity = "trouble"
	// Notice is worth knowing, and may well be on purpose.
	Notice Severity = "notice"
)

// Finding is something that is not as it should be.
type Finding struct {
	Severity Severity `json:"severity"`
	// Object is what it is about, as kubectl names it: "nodeportpool/team-a".
	Object string `json:"object"`
	// Says is what was found, and what that means, in a sentence or two.
	Says string `json:"says"`
	// Commands mend it, or show what to look at next. Words in capitals are for the reader to fill in.
	Commands []string `json:"commands,omitempty"`
}

// Result is what a check came to.
type Result struct {
	// Check is its name: "webhooks".
	Check string `json:"check"`
	// Summary is what was looked at, in a few words; empty where nothing could be.
	Summary  string    `json:"summary,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Unseen is what the caller has no right to look at, and which right or role that takes: the rest is true of what is seen.
	Unseen []string `json:"unseen,omitempty"`
}

// again is how the reader puts back what is missing. A command would have to know what the installation was made with: to apply
// a directory of the repository takes away the images, and what overlays have changed.
const again = "apply again the manifest or overlay that you installed with (docs/install.md)."

// trouble adds a finding.
func (r *Result) trouble(object, says string, commands ...string) {
	r.Findings = append(r.Findings, Finding{Trouble, object, says, commands})
}

// notice adds a finding that may be on purpose.
func (r *Result) notice(object, says string, commands ...string) {
	r.Findings = append(r.Findings, Finding{Notice, object, says, commands})
}

// unseen notes an object that may not be read, and says whether there is an error at all.
func (r *Result) unseen(what string, err error) bool {
	if err == nil {
		return false
	}
	r.Unseen = append(r.Unseen, fmt.Sprintf("%s: %v", what, err))
	return true
}

// partly notes those of some kinds that the caller may not read, or of one namespace only.
func (c *Cluster) partly(r *Result, kinds ...picture.Kind) {
	for _, kind := range kinds {
		if !c.Complete(kind) {
			r.unseen(string(kind), errors.New(c.GapsText(kind)))
		}
	}
}

// Troubled says whether any finding is trouble.
func Troubled(results []Result) bool {
	for _, r := range results {
		for _, f := range r.Findings {
			if f.Severity == Trouble {
				return true
			}
		}
	}
	return false
}

// advised takes the commands out of a message of Portolan's, which come last: "... To give them others: COMMAND; COMMAND".
// Source: controllers/mend.go.
func advised(message string) (says string, commands []string) {
	at := strings.Index(message, "kubectl ")
	if at < 0 {
		return strings.TrimSuffix(message, "."), nil
	}
	says = strings.TrimRight(message[:at], " :")
	if end := strings.LastIndexAny(says, ".;"); end >= 0 { // what leads to the commands
		says = says[:end]
	}
	return says, strings.Split(message[at:], "; ")
}

// few is how many names a finding lists.
const few = 5
