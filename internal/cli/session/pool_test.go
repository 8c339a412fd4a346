package session

import (
	"strings"
	"testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
)

func TestAPoolIsKnownByItselfOrByItsNumbers(t *testing.T) {
	p := picturetest.New().Pool("team-a", "30100-30199", "shop").Bound(30300, "shop/web").
		ChangeAllocation(func(a *v1alpha1.NodePortAllocation) { a.Spec.PoolName = "gone" }).Picture()
	for name, known := range map[string]bool{"": true, "team-a": true, "gone": true, "nosuch": false} {
		err := KnownPool(p, name)
		if known != (err == nil) || !known && !strings.Contains(err.Error(), `there is no pool "`+name+`"`) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
