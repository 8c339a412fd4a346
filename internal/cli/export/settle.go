package export

import (
	"context"
	"time"
)

const (
	// quiet is for how long nothing is to happen before what happened is written: changes come in bursts.
	quiet = 100 * time.Millisecond
	// patience is how long a burst may put a change off.
	patience = 400 * time.Millisecond
)

// bell rings when something has changed. It holds one ring.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// settle returns once a burst of rings is over, or has gone on for long enough, or ctx ends.
func (b bell) settle(ctx context.Context) {
	end := time.NewTimer(patience)
	defer end.Stop()
	pause := time.NewTimer(quiet)
	defer pause.Stop()
	for {
		select {
		case <-b:
			pause.Reset(quiet)
		case <-pause.C:
			return
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
