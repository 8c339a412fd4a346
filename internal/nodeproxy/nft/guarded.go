package nft

// What the guard's elements say, for whoever takes over a table that was read: see lookup.go.

// OfGuard says whether the key is one of the guard's: of a Use, Guarded, GuardedAt or Grant.
func (k Key) OfGuard() bool {
	return k.set.kind == useKind || k.set.kind == grantKind || k.leadsToACL()
}

// Granted is the list that a Grant is of; false for other keys.
func (k Key) Granted() (ACL, bool) { return k.acl(), k.acl() != 0 }

func (k Key) leadsToACL() bool {
	return k.set.kind == guardedKind || k.set.kind == scopedKind || k.set.kind == addressedKind
}
