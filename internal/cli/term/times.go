package term

import (
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Age is how long ago a time is, as kubectl has it: "3d", "5m10s". A time to come is "0s".
func Age(at, now time.Time) string {
	return duration.HumanDuration(max(0, now.Sub(at)))
}

// Until is how long it is to a time; one that has passed is "0s".
func Until(at, now time.Time) string { return Age(now, at) }

// Stamp is a time in full, in UTC.
func Stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }
