//go:build !mutant

package allocator

// Nothing is broken on purpose: see mutant.go.
const (
	claimSkipped  = false
	holdIgnored   = false
	replaySkipped = false
)
