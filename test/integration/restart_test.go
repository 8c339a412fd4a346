package integration

import "testing"

// TestARollingRestartUnderAHundredCreatesASecondFailsNoneAndLeavesNoneUnnumbered needs the machine, so it runs by itself.
func TestARollingRestartUnderAHundredCreatesASecondFailsNoneAndLeavesNoneUnnumbered(t *testing.T) {
	w := onSecond(t)
	d := w.deploy(2)
	shop := w.namespace("shop")
	numbers := w.allot(3000)
	w.pool("team-a", numbers, serving(shop), holding(0))
	load := w.createSteadily(100, shop, numbers)
	load.await(50)
	d.restart()
	load.await(50)
	d.Add(d.startMember().endpoint) // the third
	d.restart()
	load.await(50)
	load.end()
}
