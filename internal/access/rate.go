package access

import (
	"cmp"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Rate is how many new connections a source may make to a port: PerSecond once it has used up Burst. The zero Rate is no
// limit; in every other both are 1 to 1,000,000.
type Rate struct {
	PerSecond, Burst uint32
}

const (
	defaultBurst = 5
	highestRate  = 1_000_000
)

// Compare orders rates by what they allow, the most generous first: what goes on for long counts before what a source
// may do once.
func (r Rate) Compare(o Rate) int {
	switch {
	case r == o:
		return 0
	case r == Rate{}:
		return -1
	case o == Rate{}:
		return 1
	}
	return cmp.Or(cmp.Compare(o.PerSecond, r.PerSecond), cmp.Compare(o.Burst, r.Burst))
}

func rate(r *v1alpha1.ConnectionRate, at *field.Path) (Rate, field.ErrorList) {
	if r == nil {
		return Rate{}, nil
	}
	burst := cmp.Or(r.Burst, defaultBurst)
	var errs field.ErrorList
	if r.PerSecond < 1 || r.PerSecond > highestRate {
		errs = append(errs, field.Invalid(at.Child("perSecond"), r.PerSecond, "must be 1 to 1000000"))
	}
	if burst < 1 || burst > highestRate {
		errs = append(errs, field.Invalid(at.Child("burst"), r.Burst, "must be 1 to 1000000"))
	}
	return Rate{PerSecond: uint32(r.PerSecond), Burst: uint32(burst)}, errs //nolint:gosec // within 1 and a million, or there are errors
}
