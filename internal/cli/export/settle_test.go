package export

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestABurstOfChangesIsJoinedAndNotPutOffForLong(t *testing.T) {
	for _, test := range []struct {
		name  string
		every time.Duration // between changes; 0: none
		want  time.Duration
	}{
		{"a change alone", 0, quiet},
		{"changes that do not end", quiet / 2, patience},
		{"changes that are far apart", 3 * quiet / 2, quiet},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				b := newBell()
				if test.every > 0 {
					go func() {
						for {
							select {
							case <-time.After(test.every):
								b.ring()
							case <-ctx.Done():
								return
							}
						}
					}()
				}
				began := time.Now()
				b.settle(ctx)
				if took := time.Since(began); took != test.want {
					t.Errorf("settled after %s, want %s", took, test.want)
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}
