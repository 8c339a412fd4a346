package admissionpolicy

import (
	"fmt"

	admissionac "k8s.io/client-go/applyconfigurations/admissionregistration/v1"

	"github.com/portolan-dev/portolan/internal/rules"
)

// Messages name what the user may know: the own Service and namespace, and the pools that select it. The API server
// shows the first that applies, of at most 5 KiB; of a longer one it shows the shorter words beside it.
const (
	notOnExternalName = `object.spec.?type.orValue("") != "ExternalName" ||
  variables.stored.all(p, p.nodePort in variables.had[p.nodePort % 16])`

	notPastExternalName = `oldObject == null || oldObject.spec.?type.orValue("") != "ExternalName" ||
  object.spec.?type.orValue("") == "ExternalName" ||
  variables.stored.all(p, !(p.nodePort in variables.had[p.nodePort % 16]))`

	namesOwnPool = `!variables.anew || variables.named.size() == 0 ||
  variables.asked.size() > 0`

	whichPools = `variables.named.map(name, 'annotation portolan.dev/pool: "' + name + '" is not a pool of namespace "' +
  request.namespace + '": it has ' + (variables.mine.size() == 0 ? "none" :
    variables.mine.map(i, variables.names[i]).join(", "))).join("")`

	howMany = `variables.fits ? "" : 'a Service of namespace "' + request.namespace + '" may have ' + string(
  variables.asked.size() == 0 ? %d : variables.asked.map(i, variables.limits[i]).max()) + ' node ports'`

	// why speaks of the first number: of the namespace's own pool that has it, if one does.
	why = `variables.misplaced.size() == 0 ? "" : [variables.misplaced[0]].map(n, 'node port ' + string(n) + ': ' +
  [variables.mine.filter(i, variables.owned.exists(block, n / 100 in block && block[n / 100].exists(r,
    r[0] <= n && n <= r[1] && r[2] == i)))].map(own,
  own.size() > 0 && variables.named.all(name, name == variables.names[own[0]]) ?
    'pool "' + variables.names[own[0]] + '" hands out nothing new' :
  own.size() > 0 ?
    'in pool "' + variables.names[own[0]] + '", but the annotation portolan.dev/pool names pool "' + variables.named[0] + '"' :
  variables.mine.size() == 0 ?
    'in a pool that does not serve namespace "' + request.namespace + '"' :
  variables.mine.all(i, variables.ranges[i] == "") ?
    'namespace "' + request.namespace + '" may not use node ports: no pool has numbers for it' :
    'not in the node port ranges of namespace "' + request.namespace + '": ' +
      variables.mine.filter(i, variables.ranges[i] != "").map(i, variables.ranges[i]).join(", "))[0])[0]`
)

// validations refuse where an expression is false.
func validations() []*admissionac.ValidationApplyConfiguration {
	return []*admissionac.ValidationApplyConfiguration{
		unless(notOnExternalName, "nodePort "+rules.NewOnExternalName, ""),
		unless(notPastExternalName, "nodePort "+rules.LeavesWithNumber, ""),
		unless(namesOwnPool, "the annotation portolan.dev/pool does not name a pool of the namespace", whichPools),
		unless("variables.fits", "the Service has more node ports than it may have", fmt.Sprintf(howMany, rules.MaxClaims)),
		unless("variables.misplaced.size() == 0", "a node port is not to be had in the namespace", why),
	}
}

// unless is a validation; said is an expression of what to say instead of message, where that can be found out.
func unless(expression, message, said string) *admissionac.ValidationApplyConfiguration {
	v := admissionac.Validation().WithExpression(expression).WithMessage(message)
	if said != "" {
		v.WithMessageExpression(said)
	}
	return v
}
