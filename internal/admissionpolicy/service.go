package admissionpolicy

import (
	"fmt"
	"slices"

	"github.com/portolan-dev/portolan/internal/rules"
)

// What the Service says. The texts are CEL; what they name is in variables.
const (
	stored = `object.spec.?ports.orValue([])
  .filter(p, p.?nodePort.orValue(0) > 0)`

	usesNodePorts = `object.spec.?type.orValue("") in ["NodePort", "LoadBalancer"]`

	needsHealthCheck = `object.spec.?type.orValue("") == "LoadBalancer" &&
  object.spec.?externalTrafficPolicy.orValue("") == "Local"`

	// had are the numbers of the ports that were, on 16 shelves by what remains of them divided by 16. To look one up
	// then takes a step for each on its shelf, and not for each that there is.
	had = `[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map(shelf,
  variables.before.filter(n, n % 16 == shelf))`

	before = `oldObject == null ? [] :
  oldObject.spec.?ports.orValue([]).map(p, p.?nodePort.orValue(0))`

	hadCheck = `oldObject == null ? 0 :
  oldObject.spec.?healthCheckNodePort.orValue(0)`

	// fresh are the ports with a number that the Service does not carry yet, in whatever field.
	fresh = `variables.uses ? variables.stored.filter(p,
  !(p.nodePort in variables.had[p.nodePort % 16]) && p.nodePort != variables.hadCheck) : []`

	freshCheck = `variables.checks ? [object.spec.?healthCheckNodePort.orValue(0)].filter(n,
  n > 0 && !(n in variables.had[n % 16]) && n != variables.hadCheck) : []`

	anew = `variables.fresh.size() + variables.freshCheck.size() > 0`

	// count is how many numbers the Service uses. A number may serve three protocols at most, so that 300 ports have a
	// hundred: no limit is above that, and more ports need not be counted.
	count = `variables.stored.size() > 300 ? 301 :
  variables.tcp.size() + variables.udp.filter(n, !(n in variables.tcp)).size() +
  variables.sctp.filter(n, !(n in variables.tcp) && !(n in variables.udp)).size() +
  (variables.checks ? 1 : 0)`

	// managed is what field managers own of spec, one by one. dyn: no schema tells what is in there.
	managed = `variables.managers.filter(m, m.?subresource.orValue("") != "status")
  .map(m, m.?fieldsV1[?"f:spec"].orValue({}))`

	managers = `dyn(object).metadata.?managedFields.orValue([])`

	// set are the new numbers that somebody has set: one who owns f:nodePort of a port, in the words of managed fields.
	// Where there are none of these it is every number.
	set = `variables.fresh.filter(p, variables.managers.size() == 0 ||
  ['k:{"port":' + string(p.port) + ',"protocol":"' + p.?protocol.orValue("TCP") + '"}'].exists(key,
    variables.managed.exists(m, m[?"f:ports"][?key][?"f:nodePort"].hasValue()))).map(p, p.nodePort) +
variables.freshCheck.filter(n, variables.managers.size() == 0 ||
  variables.managed.exists(m, m[?"f:healthCheckNodePort"].hasValue()))`

	// every is set where all numbers are judged, whoever chose them.
	every = `variables.fresh.map(p, p.nodePort) + variables.freshCheck`

	// misplaced are the numbers of pools that do not take them and, where the namespace is confined to its own pools,
	// also those of no pool. A Service that has too many numbers is refused for that.
	misplaced = `!variables.fits ? [] : variables.set.filter(n,
  variables.owned.exists(block, n / 100 in block && block[n / 100].exists(r,
    r[0] <= n && n <= r[1] && !variables.takes[r[2]])) ||
  variables.confined && !variables.owned.exists(block, n / 100 in block && block[n / 100].exists(r,
    r[0] <= n && n <= r[1])))`
)

// aboutService are the variables that tell of the Service, and of its numbers in the light of the pools.
func aboutService(chart *rules.Chart, o Options) []variable {
	judged := []variable{let("managers", managers), let("managed", managed), let("set", set)}
	if o.Strict {
		judged = []variable{let("set", every)}
	}
	return slices.Concat(
		[]variable{
			let("stored", stored), let("uses", usesNodePorts), let("checks", needsHealthCheck),
			let("before", before), let("had", had), let("hadCheck", hadCheck),
			let("fresh", fresh), let("freshCheck", freshCheck), let("anew", anew),
			let("tcp", numbersOf("TCP")), let("udp", numbersOf("UDP")), let("sctp", numbersOf("SCTP")), let("count", count),
			let("fits", fits(chart)),
		},
		judged,
		[]variable{let("misplaced", misplaced)},
	)
}

func numbersOf(protocol string) string {
	return `variables.stored.filter(p, p.?protocol.orValue("TCP") == "` + protocol + `")
  .map(p, p.nodePort)`
}

// fits is whether the Service has no more numbers than one of the pools asked allows, or than a namespace of no pool
// may have where there are numbers to be kept from it.
func fits(chart *rules.Chart) string {
	beside := "true"
	if chart.Guarded() {
		beside = fmt.Sprintf("variables.count <= %d", rules.MaxClaims)
	}
	return "!variables.anew || (variables.mine.size() == 0 ? " + beside + ` :
  !variables.confined || variables.asked.exists(i, variables.count <= variables.limits[i]))`
}
