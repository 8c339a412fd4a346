package access

import (
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// interfaceName is what the kernel takes for the name of an interface, as far as it is ASCII. The API server's pattern is
// the same; objects may be older than that.
var interfaceName = regexp.MustCompile(`^[!-.0-9;-~]{1,15}$`)

// interfaces are the names that interfaces may have.
func interfaces(names []string, at *field.Path) ([]string, field.ErrorList) {
	var all []string
	var errs field.ErrorList
	for i, name := range names {
		if !interfaceName.MatchString(name) {
			errs = append(errs, field.Invalid(at.Index(i), name, "must be the name of a network interface: 1 to 15 characters of ASCII without space, slash and colon"))
			continue
		}
		all = append(all, name)
	}
	return all, errs
}
