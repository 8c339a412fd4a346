package controllers

import (
	"testing"
	"time"
)

func TestANumberHasOneTurnForAllThatChangesUntilThen(t *testing.T) {
	p, now := newPace(), noon
	ask := func(number int32, want time.Duration, wantNews bool) {
		t.Helper()
		if wait, news := p.ask(number, now); wait != want || news != wantNews {
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
	ask(1, rollUpSettle, true)
	ask(2, rollUpSettle+rollUpGap, true)
	now = now.Add(time.Second)
	ask(1, rollUpSettle-time.Second, false)
	begin(1, false, rollUpSettle-time.Second)
	now = now.Add(rollUpSettle - time.Second)
	begin(1, true, 0)
	begin(1, false, 0)
	ask(1, rollUpSettle, true)
	begin(2, false, rollUpGap)
	now = now.Add(time.Minute)
	ask(2, rollUpGap-time.Minute, false)
	begin(2, true, 0)
	begin(1, true, 0)
	ask(3, rollUpSettle, true)
}

func TestNumbersOfManyNodesAreWrittenOverTime(t *testing.T) {
	p := newPace()
	var longest time.Duration
	for range 5000 { // nodes
		for number := range int32(2768) {
			wait, _ := p.ask(number, noon)
			longest = max(longest, wait)
		}
	}
	if want := rollUpSettle + 2767*rollUpGap; longest != want {
		t.Errorf("the last number's turn comes in %s, want %s", longest, want)
	}
}
