package picturetest

import (
	"fmt"
	"math/rand/v2"

	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// Busy is a large cluster: 2,768 numbers, 40 pools, about 1,500 numbers in use, and a little of all that there can be. It is
// the same each time.
func Busy() *Cluster {
	c := New()
	random := rand.New(rand.NewPCG(1, 2))
	const size = 60
	for i := range 40 {
		first := 30100 + size*i
		c.Pool(fmt.Sprintf("team-%02d", i), fmt.Sprintf("%d-%d", first, first+size-1), fmt.Sprintf("team-%02d", i))
	}
	for i := range 40 {
		full := random.IntN(101)
		if i%13 == 5 {
			full = 100
		}
		for n := int32(30100 + size*i); n < int32(30100+size*(i+1)); n++ {
			c.draw(random, n, fmt.Sprintf("team-%02d/app-%d", i, n), full+10)
		}
	}
	for n := int32(32500); n < 32768; n++ {
		c.draw(random, n, fmt.Sprintf("legacy/app-%d", n), 40)
	}
	c.Node("node-1", "").Clash(30055, "nginx").Clash(30101, "sshd")
	c.Service(servicetest.MakeService("team-00/copy").NodePort(80, c.Services[3].Spec.Ports[0].NodePort))
	return c
}

// draw has a number be what chance makes of it; full is how many of a hundred are somebody's.
func (c *Cluster) draw(random *rand.Rand, n int32, service string, full int) {
	switch chance := random.IntN(100); {
	case chance >= full:
	case chance < 3:
		c.Held(n, service)
	case chance < 6:
		c.Reserved(n, service)
	default:
		c.Bound(n, service)
	}
}
