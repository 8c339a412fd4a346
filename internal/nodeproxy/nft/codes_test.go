package nft

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTheNameOfAChainSaysItsAction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyWord().Draw(t, "word").Action
		if got, ok := parseAction(want.String()); !ok || got != want {
			t.Errorf("%s is read as %s, %t", want, got, ok)
		}
	})
	for _, name := range []string{"", "services4", "pick-", "pick-0", "pick-01", "pick-65536", "pick-1-2", "stick-1", "stick-1-", "stick-0-1", "stick-1-2-3", "nothing", "unknown-1", "rate-", "rate-1", "rate-1-", "rate-0-1", "rate-1-0", "rate-01-1", "rate-1-1-1", "rate-1-1000001"} {
		if a, ok := parseAction(name); ok {
			t.Errorf("%q is taken for %s", name, a)
		}
	}
}

func TestEachActionHasACodeOfItsOwn(t *testing.T) {
	c := newCodes()
	actions := permanentActions()
	for n := range fixedBalance {
		actions = append(actions, Balance(n+1))
	}
	actions = append(actions, Balance(fixedBalance+1), Stick(1, time.Second), Stick(1, 2*time.Second), Stick(2, time.Second),
		Limit(1, 1), Limit(1, 2), Limit(2, 1))
	seen := map[code]Action{}
	for _, a := range actions {
		if !c.add(a) {
			t.Fatalf("no code for %s", a)
		}
		n := c.code[a]
		if other, taken := seen[n]; taken && other != a {
			t.Errorf("%s and %s have code %d", a, other, n)
		}
		if seen[n] = a; n == noCode || n == againCode {
			t.Errorf("%s has code %d", a, n)
		}
		if got, list := splitWord(n.word(MaxList)); got != n || list != MaxList {
			t.Errorf("%d with list %d is read as %d with %d", n, MaxList, got, list)
		}
	}
}

// usedCodes are codes that are all given out: the first ones to n actions.
func usedCodes(t *testing.T, actions ...Action) *codes {
	t.Helper()
	c := newCodes()
	for _, a := range actions {
		if !c.add(a) {
			t.Fatalf("no code for %s", a)
		}
		c.uses[a]++
	}
	for n := 0; c.add(Stick(60000, time.Duration(n+1)*time.Second)); n++ {
		c.uses[Stick(60000, time.Duration(n+1)*time.Second)]++
	}
	return c
}

func TestWhenCodesRunOutThoseThatAreNotUsedAreGivenUp(t *testing.T) {
	c := usedCodes(t, Balance(1), Balance(200), Stick(1, time.Second), Stick(2, time.Second))
	if c.add(Stick(9, time.Second)) {
		t.Fatal("codes do not run out")
	}
	if dropped := c.drop(); len(dropped) > 0 {
		t.Errorf("%v are given up though they are used", dropped)
	}
	c.uses = map[Action]int{Stick(1, time.Second): 1}
	for n, a := range c.drop() {
		if a.permanent() || a == Stick(1, time.Second) {
			t.Errorf("%s, code %d, is given up", a, n)
		}
	}
	if _, left := c.code[Balance(1)]; !left || len(c.action) != 2 {
		t.Errorf("%d actions are left, want the permanent one and the one that is used", len(c.action))
	}
	if !c.add(Stick(9, time.Second)) {
		t.Error("then there is still no code")
	}
}

func TestWhoeverAsksForManyLimitsTakesNoCodesFromServices(t *testing.T) {
	c := newCodes()
	n := uint32(1)
	for ; c.add(Limit(n, 10)); n++ {
		c.uses[Limit(n, 10)]++
	}
	if n < 500 {
		t.Errorf("there are codes for %d limits", n)
	}
	if !c.add(Stick(1, time.Second)) || !c.add(Balance(fixedBalance+1)) {
		t.Error("then there is none for a Service")
	}
	if !c.standIn(Limit(n+100, 10)) {
		t.Error("no limit stands in for another")
	}
	if got := c.action[c.code[Limit(n+100, 10)]]; got != Limit(n-1, 10) {
		t.Errorf("%s stands in for a higher one", got)
	}
}

func TestWhereNoCodeIsLeftTheClosestActionStandsIn(t *testing.T) {
	c := usedCodes(t, Stick(3, 10*time.Second), Stick(3, 100*time.Second), Stick(5, 10*time.Second), Balance(2000), Balance(3000))
	for _, x := range []struct {
		name       string
		action     Action
		want       Action
		wantNoCode bool
	}{
		{"the timeout comes close", Stick(3, 20*time.Second), Stick(3, 10*time.Second), false},
		{"rather a timeout further off than a list too long", Stick(4, 10*time.Second), Stick(3, 10*time.Second), false},
		{"as many endpoints as there can be", Stick(6, 99*time.Second), Stick(5, 10*time.Second), false},
		{"too many, if there is nothing else", Stick(2, 10*time.Second), Stick(3, 10*time.Second), false},
		{"no client sticks", Balance(2500), Balance(2000), false},
		{"nothing of the kind", unknown(1), Action{}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			if ok := c.standIn(x.action); ok == x.wantNoCode {
				t.Fatalf("it has a code: %t", ok)
			}
			if got := c.action[c.code[x.action]]; got != x.want {
				t.Errorf("%s has the code of %s, want that of %s", x.action, got, x.want)
			}
		})
	}
	c.uses = map[Action]int{Stick(3, 20*time.Second): 1}
	c.drop()
	if _, ok := c.action[c.code[Stick(3, 20*time.Second)]]; !ok {
		t.Error("what stands in is given up though it is used")
	}
}

func TestCodesAreTakenFromATableOnlyWhereTheyCanBeRight(t *testing.T) {
	c := newCodes()
	for _, x := range []struct {
		name   string
		code   code
		action Action
		want   bool
	}{
		{"a fixed one", refuseCode, Refuse(), true},
		{"a fixed one that is another's", discardCode, Balance(1), false},
		{"one that is given out", freeCode + 5, Stick(1, time.Second), true},
		{"one that is given to limits", limitCode + 5, Stick(4, time.Second), false},
		{"a limit", limitCode + 5, Limit(1, 1), true},
		{"a limit among the others", freeCode + 6, Limit(1, 2), false},
		{"a second action for it", freeCode + 5, Stick(2, time.Second), false},
		{"a second code for it", freeCode + 6, Stick(1, time.Second), false},
		{"one that is none", againCode, Stick(3, time.Second), false},
		{"no action", freeCode + 7, Action{}, false},
	} {
		if got := c.learn(x.code, x.action); got != x.want {
			t.Errorf("%s: %t, want %t", x.name, got, x.want)
		}
	}
}

// FuzzTheNameOfAChainIsReadOrRefused reads whatever a chain may be called: it is the name of the action that is read, or of
// none.
func FuzzTheNameOfAChainIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{"refuse", "pick-3", "stick-3-10800", "rate-10-5", "pick-0", "pick-65536", "stick-1-4294967296", "rate-1000001-1", "nothing", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		a, ok := parseAction(name)
		if ok && a.String() != name {
			t.Errorf("%q is taken for %s", name, a)
		}
		if ok && (a.kind == balanceKind || a.kind == stickKind) && a.Endpoints() < 1 {
			t.Errorf("%q has no endpoints", name)
		}
	})
}
