// Package doctor is the verb doctor: whether an installation is healthy, and what mends what is not.
//
// The policy:
//   - Each check is a pure function of what was read. It says what it found, what that means, and a command that mends it or
//     shows what to look at next.
//   - What the caller may not read is neither well nor ill: it is named, with the right that it takes.
//   - Nothing is changed: the one Service that is created is a dry run.
package doctor

// check is a thing to look at.
type check struct {
	name string
	look func(*Cluster) Result
}

// checks are all of them, in the order of what depends on what: what comes first may be the cause of what comes after.
var checks = []check{
	{"kinds", kinds},
	{"manager", manager},
	{"webhooks", admission},
	{"certificate", certificate},
	{"policy", policy},
	{"nodes", nodes},
	{"guard", guard},
	{"conflicts", conflicts},
	{"clashes", clashes},
	{"services", services},
	{"leaks", leaks},
	{"pools", pools},
	{"reservations", reservations},
}

// Examine looks at everything.
func Examine(c *Cluster) []Result {
	results := make([]Result, len(checks))
	for i, check := range checks {
		results[i] = check.look(c)
		results[i].Check = check.name
	}
	return results
}
