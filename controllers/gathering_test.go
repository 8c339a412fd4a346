package controllers

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatIsGatheredIsDoneOnceForAllWhoAskUntilThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, done := gathering{after: time.Second}, 0
		var at []time.Duration
		began := time.Now()
		ask := func() { g.ask(func() { done++; at = append(at, time.Since(began)) }) }
		for range 3 {
			ask()
			time.Sleep(300 * time.Millisecond)
		}
		if done != 0 {
			t.Fatal("it did not wait for others")
		}
		time.Sleep(200 * time.Millisecond) // 1.1 s
		ask()
		time.Sleep(10 * time.Second)
		if want := []time.Duration{time.Second, 2100 * time.Millisecond}; len(at) != 2 || at[0] != want[0] || at[1] != want[1] {
			t.Errorf("done at %v, want %v", at, want)
		}
	})
}

func TestWhoAsksWhileItIsDoneIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, done := gathering{after: time.Second}, 0
		g.ask(func() {
			done++
			g.ask(func() { done++ })
		})
		time.Sleep(3 * time.Second)
		if done != 2 {
			t.Errorf("done %d times, want 2", done)
		}
	})
}
