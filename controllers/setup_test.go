package controllers

import (
	"testing"
	"time"
)

func TestAFullRepairIsDueEveryTenMinutesWhereNobodySaysOtherwise(t *testing.T) {
	for every, want := range map[time.Duration]time.Duration{0: 10 * time.Minute, -time.Second: 10 * time.Minute, time.Hour: time.Hour} {
		if got := (Options{RepairEvery: every}).repairEvery(); got != want {
			t.Errorf("%s: %s, want %s", every, got, want)
		}
	}
}
