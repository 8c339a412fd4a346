// Package polling waits in tests for what takes its time.
package polling

import "time"

// Until calls check, with a pause after each time, until it succeeds. It returns the last error if that takes longer than
// within.
func Until(within, pause time.Duration, check func() error) (err error) {
	for deadline := time.Now().Add(within); time.Now().Before(deadline); <-time.After(pause) {
		if err = check(); err == nil {
			return nil
		}
	}
	return err
}
