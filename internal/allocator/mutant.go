//go:build mutant

package allocator

import "os"

// The allocator broken on purpose, each time in one way, to see that test/soak finds it: docs/design/proof.md. Only programs
// that are built with the tag mutant have this; PORTOLAN_MUTANT says which.
var (
	// claimSkipped hands a number out without making its claim.
	claimSkipped = os.Getenv("PORTOLAN_MUTANT") == "claim-skipped"
	// holdIgnored takes numbers that are held or reserved for free.
	holdIgnored = os.Getenv("PORTOLAN_MUTANT") == "hold-ignored"
	// replaySkipped hands numbers out before the Services that were there at the start are in the view.
	replaySkipped = os.Getenv("PORTOLAN_MUTANT") == "replay-skipped"
)
