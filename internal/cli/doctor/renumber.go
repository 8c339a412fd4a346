package doctor

import (
	"regexp"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/cli/remedy"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// renumber are the commands of which each gives a Service another number of its namespace's pools in the place of one.
func (c *Cluster) renumber(svc *corev1.Service, number int32) []string {
	ns := c.Picture.Namespace(svc.Namespace)
	if ns == nil {
		return nil
	}
	return remedy.Renumber(c.Ledger(), c.Chart().PoolsFor(ns.Labels), svc, number)
}

// patched is a command of the manager's that gives a Service another number at once: of which namespace and name, at which
// entry, which number in the place of which. Source: controllers/mend.go.
var patched = regexp.MustCompile(`^kubectl -n (\S+) patch service (\S+) --type=json -p '\[\{"op":"test","path":"/spec/ports/\d+/nodePort","value":(\d+)\}.*"value":(\d+)\}\]'$`)

// gently are commands, with a move in the place of what changes a Service at once, where it can move.
func (c *Cluster) gently(commands []string) []string {
	gentle := slices.Clone(commands)
	for i, command := range commands {
		parts := patched.FindStringSubmatch(command)
		if parts == nil {
			continue
		}
		svc := c.Service(types.NamespacedName{Namespace: parts[1], Name: parts[2]})
		from, _ := strconv.ParseInt(parts[3], 10, 32)
		to, _ := strconv.ParseInt(parts[4], 10, 32)
		if svc == nil || len(svc.Spec.Selector) == 0 {
			continue
		}
		for _, r := range serviceports.Requests(svc) {
			if r.Role == serviceports.Traffic && r.NodePort == int32(from) {
				gentle[i] = remedy.Move(svc, r, int32(to))
			}
		}
	}
	return gentle
}
