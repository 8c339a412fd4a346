package story

import (
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/remedy"
	"github.com/portolan-dev/portolan/internal/rules"
)

// breach is which rules of its namespace the Service breaks by having the number, and how it keeps to them.
func (t teller) breach() *Fact {
	svc := t.Holder()
	if svc == nil || !t.Complete(picture.Pools) {
		return nil
	}
	ns := t.Namespace(svc.Namespace)
	if ns == nil {
		return nil
	}
	q := rules.Question{Service: svc, Old: svc, Namespace: ns.Name, NamespaceLabels: ns.Labels, Now: t.Now}
	var says []string
	for _, b := range rules.LiveBreaches(t.Chart(), q) {
		if number, ok := b.Err.BadValue.(int32); ok && number == t.Number.Number {
			says = append(says, "it breaks the rules of its namespace: "+b.Err.Detail)
		}
	}
	if says == nil {
		return nil
	}
	for _, command := range remedy.Renumber(t.Ledger(), t.Chart().PoolsFor(ns.Labels), svc, t.Number.Number) {
		if strings.HasPrefix(command, "kubectl portolan move ") {
			return &Fact{About: "Rules", Says: append(says, command)}
		}
	}
	return &Fact{About: "Rules", Says: append(says, "kubectl portolan doctor says how to mend that")}
}
