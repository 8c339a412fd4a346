package controllers

import (
	"testing"
	"time"
)

func TestANumberHasOneTurnForAllThatChangesUntilThen(t *testing.T) {
	p, now := newTurns[int32](), noon
	ask := func(number int32, want time.Duration, wantNews bool) {
		t.Helper()
		if wait, news := p.ask(number, now, rollUp); wait != want || news != wantNews {
			t.Errorf("%d asks: %s, %t, want %s, %t", number, wait, news, want, wantNews)
		}
	}
	begin := func(number int32, want bool, wantWait time.Duration) {
		t.Helper()
		if turn, wait := p.begin(number, now); turn != want || wait != wantWait {
			t.Errorf("%d begins: %t, %s, want %t, %s", number, turn, wait, want, wantWait)
		}
	}
	begin(1, false, 0)
	ask(1, rollUp.settle, true)
	ask(2, rollUp.settle+rollUp.gap, true)
	now = now.Add(time.Second)
	ask(1, rollUp.settle-time.Second, false)
	begin(1, false, rollUp.settle-time.Second)
	now = now.Add(rollUp.settle - time.Second)
	begin(1, true, 0)
	begin(1, false, 0)
	ask(1, rollUp.settle, true)
	begin(2, false, rollUp.gap)
	now = now.Add(time.Minute)
	ask(2, rollUp.gap-time.Minute, false)
	begin(2, true, 0)
	begin(1, true, 0)
	ask(3, rollUp.settle, true)
}

func TestNumbersOfManyNodesAreWrittenOverTime(t *testing.T) {
	p := newTurns[int32]()
	var longest time.Duration
	for range 5000 { // nodes
		for number := range int32(2768) {
			wait, _ := p.ask(number, noon, rollUp)
			longest = max(longest, wait)
		}
	}
	if want := rollUp.settle + 2767*rollUp.gap; longest != want {
		t.Errorf("the last number's turn comes in %s, want %s", longest, want)
	}
}
