package nft

import (
	"slices"
	"testing"
)

func TestAnIDComesBackOnlyAfterAllOthers(t *testing.T) {
	i := NewIDs[List](4, 2, 99)
	var got []List
	for range 5 { // 2 is shunned once
		id := i.Take()
		i.GiveBack(id)
		got = append(got, id)
	}
	i.Keep(3)
	i.Keep(9)
	got = append(got, i.Take(), i.Take(), i.Take(), List(i.Free()))
	if want := []List{1, 3, 4, 1, 2, 4, 1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAnIDFromBeforeComesBackOnlyAfterAllOthersToo(t *testing.T) {
	i := NewIDs[List](4)
	i.Keep(2)
	i.Keep(1)
	i.GiveBack(2)
	if got, want := []List{i.Take(), i.Take(), i.Take()}, []List{3, 4, 2}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
