package activity

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func after(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// node is a node's kernel, its node-proxy, and what the cluster knows of it.
type node struct {
	testing.TB
	book   *Book
	now    time.Time
	counts map[nft.Port]uint64
	known  *v1alpha1.Activity
}

func newNode(t testing.TB) *node {
	return &node{TB: t, book: NewBook(), now: noon, counts: map[nft.Port]uint64{}}
}

// connect has a port take connections.
func (n *node) connect(protocol nft.Protocol, number uint16, connections uint64) {
	n.counts[nft.Port{Protocol: protocol, Number: number}] += connections
}

// read has the node-proxy read the counts.
func (n *node) read(open ...uint16) {
	n.book.Take(Reading{At: n.now, Counts: maps.Clone(n.counts), Open: open})
}

// pass lets minutes pass, with a reading at the end of each.
func (n *node) pass(minutes int, open ...uint16) {
	for range minutes {
		n.now = n.now.Add(time.Minute)
		n.read(open...)
	}
}

// write has the cluster know what there is to report, and says whether that was anything new.
func (n *node) write() bool {
	report := n.book.Report(n.known)
	news := report != n.known
	n.known = report
	return news
}

func (n *node) wantNone(what string) {
	n.Helper()
	if n.write() {
		n.Errorf("%s: %+v is written", what, *n.known)
	}
}

// wantWrite wants a report of these minutes, and of the use since the given one.
func (n *node) wantWrite(what string, since, from, to int, numbers string) {
	n.Helper()
	if !n.write() {
		n.Errorf("%s: nothing is written", what)
		return
	}
	want := &v1alpha1.Activity{Since: metav1.NewTime(after(since)), From: metav1.NewTime(after(from)), To: metav1.NewTime(after(to)), NodePorts: numbers}
	if diff := cmp.Diff(want, n.known); diff != "" {
		n.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

func TestWhatWasCountedBeforeTheFirstReadingIsNoUse(t *testing.T) {
	n := newNode(t)
	n.connect(nft.TCP, 30080, 1000)
	n.wantNone("before anything is read")
	n.read()
	n.wantWrite("the node counts", 0, 0, 0, "")
	n.pass(1)
	n.wantNone("nobody comes")
}

func TestANumberIsReportedWhenItIsUsedAndThenForTenMinutesNot(t *testing.T) {
	n := newNode(t)
	n.read()
	n.write()
	n.pass(2)
	n.connect(nft.TCP, 30080, 1)
	n.pass(1)
	n.wantWrite("used", 0, 0, 3, "30080")
	n.connect(nft.UDP, 30080, 5)
	n.pass(9)
	n.wantNone("used again within ten minutes")
	n.pass(1)
	n.wantWrite("which is told then", 0, 3, 13, "30080")
	n.pass(20)
	n.wantNone("not used any more")
}

func TestNumbersInConstantUseAreReportedTogetherEveryTenMinutes(t *testing.T) {
	n := newNode(t)
	n.read()
	n.write()
	writes := 0
	for minute := range 120 {
		for number := range uint16(min(minute+1, 60)) { // they begin one after the other
			n.connect(nft.TCP, 30000+number, 1)
		}
		n.pass(1)
		if !n.write() || minute < 60 {
			continue
		}
		if writes++; n.known.NodePorts != "30000-30059" {
			t.Errorf("in minute %d %s is reported", minute, n.known.NodePorts)
		}
	}
	if writes < 5 || writes > 7 {
		t.Errorf("%d writes in an hour", writes)
	}
}

func TestACountThatIsBegunAnewIsNoUse(t *testing.T) {
	n := newNode(t)
	n.connect(nft.TCP, 30080, 100)
	n.read()
	n.write()
	n.counts[nft.Port{Protocol: nft.TCP, Number: 30080}] = 3
	n.pass(1)
	n.wantNone("lower than before")
	n.connect(nft.TCP, 30080, 1)
	n.pass(1)
	n.wantWrite("used since then", 0, 0, 2, "30080")
}

func TestANumberThatIsNewIsCountedFromNothing(t *testing.T) {
	n := newNode(t)
	n.read()
	n.write()
	n.connect(nft.TCP, 30080, 0)
	n.pass(1)
	n.wantNone("it is there")
	n.connect(nft.TCP, 30080, 1)
	n.connect(nft.TCP, 30081, 1)
	n.pass(1)
	n.wantWrite("used at once, and between two readings", 0, 0, 2, "30080-30081")
}

func TestAnOpenConnectionIsUseHoweverOldItIs(t *testing.T) {
	n := newNode(t)
	n.connect(nft.TCP, 30080, 1)
	n.read(30080)
	n.wantWrite("open at the start", 0, 0, 0, "30080")
	n.pass(10, 30080)
	n.wantWrite("open ten minutes later", 0, 0, 10, "30080")
}

func TestAQuietNodeSaysOnceAnHourThatItCounts(t *testing.T) {
	n := newNode(t)
	n.read()
	n.write()
	n.pass(59)
	n.wantNone("before the hour is over")
	n.pass(1)
	n.wantWrite("after an hour", 0, 0, 60, "")
}

func TestWhatTheClusterDidNotTakeIsReportedWithTheNext(t *testing.T) {
	n := newNode(t)
	n.read()
	n.write()
	n.connect(nft.TCP, 30080, 1)
	n.pass(1)
	n.book.Report(n.known) // the write fails
	n.connect(nft.TCP, 30090, 1)
	n.pass(1)
	n.wantWrite("the next", 0, 0, 2, "30080,30090")
}

func TestUseBetweenAReportAndItsWriteIsNotForgotten(t *testing.T) {
	n := newNode(t)
	n.read()
	n.write()
	n.connect(nft.TCP, 30080, 1)
	n.pass(1)
	report := n.book.Report(n.known)
	n.connect(nft.TCP, 30080, 1)
	n.pass(1) // before the API server has answered
	n.known = report
	n.wantNone("just reported")
	n.pass(9)
	n.wantWrite("ten minutes later", 0, 1, 11, "30080")
}

func TestANodeProxyGoesOnWhereTheOneBeforeItEnded(t *testing.T) {
	for _, tc := range []struct {
		name  string
		away  int // for so many minutes
		since int
	}{
		{"after a restart", 5, 0},
		{"after a while in which there was nothing to tell", 67, 0},
		{"but not after it was away for long", 180, 183},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t)
			n.read()
			n.write()
			n.connect(nft.TCP, 30080, 7)
			n.pass(1)
			n.wantWrite("used", 0, 0, 1, "30080")
			n.pass(2) // of which it tells nothing

			n.book = NewBook()
			n.now = after(3 + tc.away)
			n.read()
			if n.write() && n.known.NodePorts != "" {
				t.Errorf("as it starts it reports the use of %s", n.known.NodePorts)
			}
			n.connect(nft.TCP, 30090, 1)
			n.pass(1)
			if !n.write() || n.known.NodePorts != "30090" || !n.known.Since.Time.Equal(after(tc.since)) {
				t.Errorf("of the use of 30090 it reports %+v", n.known)
			}
		})
	}
}

func TestANumberThatTheNodeProxyBeforeReportedIsNoNews(t *testing.T) {
	n := newNode(t)
	n.read()
	n.write()
	n.connect(nft.TCP, 30080, 1)
	n.pass(1)
	n.write()
	n.book = NewBook()
	n.read()
	n.connect(nft.TCP, 30080, 1)
	n.pass(9)
	n.wantNone("nine minutes after it was reported")
	n.pass(1)
	n.wantWrite("ten minutes after", 0, 1, 11, "30080")
}

func TestAReportThatWasDeletedIsMadeAnew(t *testing.T) {
	n := newNode(t)
	n.read()
	n.write()
	n.pass(5)
	n.known = nil
	n.wantWrite("it is not there", 0, 0, 5, "")
}

func TestAClockThatIsSetBackBeginsAnew(t *testing.T) {
	n := newNode(t)
	n.now = after(600)
	n.read()
	n.write()
	n.connect(nft.TCP, 30080, 1)
	n.pass(1)
	n.now = noon
	n.connect(nft.TCP, 30090, 1)
	n.read()
	n.wantWrite("by the clock as it is now", 0, 0, 0, "30080,30090")
	n.pass(1)
	n.wantNone("a minute later")
}

// However it is used, and whichever writes fail: a report has just what was used since the one before it, and what it
// leaves for later was in one less than ten minutes ago.
func TestEveryUseIsReportedAtOnceOrWithinTenMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := newNode(nil)
		n.read()
		n.write()
		unreported, told := map[int32]bool{}, map[int32]time.Time{}
		for range rapid.IntRange(1, 60).Draw(t, "minutes") {
			for _, number := range rapid.SliceOfN(rapid.Int32Range(30000, 30004), 0, 2).Draw(t, "used") {
				n.connect(nft.TCP, uint16(number), 1)
				unreported[number] = true
			}
			n.pass(1)
			if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
				n.book.Report(n.known)
				continue
			}
			if n.write() {
				if diff := cmp.Diff(unreported, numbersOf(t, n.known)); diff != "" {
					t.Fatalf("reported (-want +got)\n%s", diff)
				}
				for number := range unreported {
					told[number] = n.now
				}
				clear(unreported)
			}
			for number := range unreported {
				if n.now.Sub(told[number]) >= Interval {
					t.Fatalf("%d is not reported, though it was last at %s", number, told[number])
				}
			}
		}
	})
}

func numbersOf(t *rapid.T, report *v1alpha1.Activity) map[int32]bool {
	numbers, err := bitmap.Parse(report.NodePorts)
	if err != nil {
		t.Fatal(err)
	}
	found := map[int32]bool{}
	for n := range numbers.TakenNumbers() {
		found[n] = true
	}
	return found
}
