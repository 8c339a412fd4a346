package ephemeral

import "github.com/portolan-dev/portolan/internal/bitmap"

// Reserver keeps numbers out of what the kernel chooses, by its list of reserved ports. It is not safe for concurrent use.
//
// What others have put into that list stays there. Which numbers are its own it knows of itself alone: what the
// node-proxy before it has left is another's, and stays. So a number may stay reserved for good, which costs the node one
// port of some thousands; the other way round it would take numbers away from whoever needs them.
//
// The kernel takes a list as a whole, so what another writes while it does may be lost. Where there is nothing to change it
// writes nothing.
type Reserver struct {
	root string // of the file system
	own  map[int32]bool
}

// NewReserver reserves numbers below a root directory, "/" but in tests.
func NewReserver(root string) *Reserver { return &Reserver{root: root, own: map[int32]bool{}} }

// Reserve reserves just these numbers, of those that the kernel might choose: what it has reserved earlier and is not among
// them it takes back. On nodes whose range has none of them nothing is written. An error says what to do; then all is as it was.
func (r *Reserver) Reserve(numbers ...int32) error {
	settings, err := Read(r.root)
	if err != nil {
		return err
	}
	others := bitmap.New(1, 65535)
	for n := range settings.Reserved.TakenNumbers() {
		if !r.own[n] {
			others.Take(n)
		}
	}
	own := make(map[int32]bool)
	for _, n := range numbers {
		if settings.Range.Contains(n) && !others.Has(n) {
			own[n] = true
		}
	}
	if err := r.set(settings, others, own); err != nil {
		return err
	}
	r.own = own
	return nil
}

// set writes the list of what others have reserved and of own numbers, if it is not so already.
func (r *Reserver) set(settings Settings, others *bitmap.Set, own map[int32]bool) error {
	for n := range own {
		others.Take(n)
	}
	if text := others.Text(); text != settings.Reserved.Text() {
		return write(r.root, text)
	}
	return nil
}
