package allocator

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

func TestYieldWaitsForARestOfTheClaimsButNotForLong(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // a number is claimed so often
		want  time.Duration
	}{
		{"none is claimed", time.Hour, 0},
		{"one has been claimed just now", 0, quiet},
		{"one after another is claimed", 20 * time.Millisecond, patience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(&FakeStore{}, clock.RealClock{})
				claim := func() {
					l.mu.Lock()
					defer l.mu.Unlock()
					l.claimed = l.clock.Now()
				}
				if tt.every < time.Hour {
					claim()
				}
				go func() {
					for at := tt.every; at > 0 && at < time.Second; at += tt.every {
						time.Sleep(tt.every)
						claim()
					}
				}()
				start := time.Now()
				l.Yield(t.Context())
				if got := time.Since(start); got != tt.want {
					t.Errorf("waited %v, want %v", got, tt.want)
				}
				synctest.Wait()
				time.Sleep(time.Second)
			})
		})
	}
}
