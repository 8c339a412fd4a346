package integration

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// usage is what a namespace reads of a pool; nil where there is no report.
func (w *world) usage(namespace string, pool *v1alpha1.NodePortPool) (*v1alpha1.NodePortUsage, error) {
	u := &v1alpha1.NodePortUsage{}
	if err := w.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: pool.Name}, u); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return u, nil
}

// shownUsage is "WithinLimit 1 of 3 [30001]", "none" where there is no report.
func shownUsage(u *v1alpha1.NodePortUsage) string {
	if u == nil {
		return "none"
	}
	reason, limit := "?", "?"
	if ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.UsageReady); ready != nil {
		reason = ready.Reason
	}
	if u.Status.Limit != nil {
		limit = fmt.Sprint(*u.Status.Limit)
	}
	return fmt.Sprintf("%s %d of %s %v", reason, u.Status.Used, limit, u.Status.NodePorts)
}

// wantUsage waits until a namespace reads this of a pool.
func (w *world) wantUsage(namespace string, pool *v1alpha1.NodePortPool, format string, args ...any) *v1alpha1.NodePortUsage {
	w.Helper()
	want := fmt.Sprintf(format, args...)
	var u *v1alpha1.NodePortUsage
	w.eventually(fmt.Sprintf("usage of %s in %s", w.names[pool.Name], w.names[namespace]), func() (err error) {
		if u, err = w.usage(namespace, pool); err != nil {
			return err
		}
		if got := shownUsage(u); got != want {
			return fmt.Errorf("got %s, want %s", got, want)
		}
		return nil
	})
	return u
}

func TestANamespaceReadsOfItsPoolsBeforeItIsRefused(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	w.label(shop, teamLabel, shop)
	numbers := w.allot(5)
	teamA := w.pool("team-a", numbers, ofTeam(shop), limitedTo(0))
	teamB := w.pool("team-b", w.allot(5), serving(shop))
	u := w.wantUsage(shop, teamA, "LimitReached 0 of 0 []")
	if want := fmt.Sprintf("%d-%d", numbers.From, numbers.To); u.Status.Ranges != want {
		t.Errorf("ranges are %q, want %q", u.Status.Ranges, want)
	}
	w.wantUsage(shop, teamB, "WithinLimit 0 of ? []")
	_, err := w.tryCreate(makeService(shop+"/web").NodePort(80, numbers.From))
	w.wantRefusal(err, `pool "team-a" allows 0 node ports in a namespace, 0 are used and 1 more is asked for`)

	// A namespace joins, a pool changes, another takes over.
	w.wantUsage(other, teamA, "none")
	w.label(other, teamLabel, shop)
	w.wantUsage(other, teamA, "LimitReached 0 of 0 []")
	w.changePool(teamA, limitedTo(3))
	w.wantUsage(shop, teamA, "WithinLimit 0 of 3 []")
	w.wantUsage(other, teamA, "WithinLimit 0 of 3 []")
	w.label(shop, teamLabel, "nobodys")
	w.wantUsage(shop, teamA, "none")
	w.wantUsage(shop, teamB, "WithinLimit 0 of ? []")
	w.changePool(teamB, serving(other))
	w.wantUsage(shop, teamB, "none")
	w.wantUsage(other, teamB, "WithinLimit 0 of ? []")
	w.must(w.Delete(t.Context(), teamA))
	w.wantUsage(other, teamA, "none")
}

func TestAReportCountsAsTheQuotaDoes(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	numbers := w.allot(20)
	pool := w.pool("team-a", numbers, serving(shop, other), limitedTo(4))
	n := func(i int32) int32 { return numbers.From + i }
	web := w.create(makeService(shop+"/web").LoadBalancer().LocalTraffic().NodePort(80, n(0)).HealthCheck(n(1)))
	w.create(makeService(other+"/api").NodePort(80, n(9)))
	w.wantUsage(shop, pool, "WithinLimit 2 of 4 [%d %d]", n(0), n(1))
	r := w.reserve(shop+"/promise", "db", entry("sql", n(2)), entry("admin", n(3)))
	w.wantUsage(shop, pool, "LimitReached 4 of 4 [%d %d %d %d]", n(0), n(1), n(2), n(3))
	_, err := w.tryCreate(makeService(shop+"/more").NodePort(80, 0))
	w.wantRefusal(err, `pool "team-a" allows 4 node ports in a namespace, 4 are used and 1 more is asked for`)

	w.wantAllBound(web)
	w.remove(web)
	w.wantUsage(shop, pool, "WithinLimit 4 of 4 [%d %d %d %d]", n(0), n(1), n(2), n(3)) // two of them are held
	w.wantAllBound(w.create(makeService(shop+"/more").NodePort(80, n(8))))
	// One of the two holds was given up for it, whichever ended first.
	w.eventually("the report counts it", func() error {
		u, err := w.usage(shop, pool)
		if got := shownUsage(u); err != nil || !strings.HasPrefix(got, "WithinLimit 4 of 4 [") || !strings.HasSuffix(got, fmt.Sprintf(" %d]", n(8))) {
			return fmt.Errorf("got %s: %w", got, err)
		}
		return nil
	})
	w.must(w.Delete(t.Context(), r)) // what was reserved is held
	w.changePool(pool, holding(0))
	w.wantUsage(other, pool, "WithinLimit 1 of 4 [%d]", n(9))
}

func TestNumbersOfAPoolThatDoesNotServeTheNamespaceAnyMoreAreReportedWhileItHasThem(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	numbers := w.allot(5)
	pool := w.pool("team-a", numbers, serving(shop), limitedTo(3), holding(0))
	web := w.create(makeService(shop+"/web").NodePort(80, numbers.From))
	w.wantAllBound(web)
	w.changePool(pool, serving(other))
	u := w.wantUsage(shop, pool, "NothingNew 1 of ? [%d]", numbers.From)
	if u.Status.Ranges != "" {
		t.Errorf("it tells the ranges of another's pool: %s", u.Status.Ranges)
	}
	w.remove(web)
	w.wantUsage(shop, pool, "none")
	w.wantUsage(other, pool, "WithinLimit 0 of 3 []")
}

func TestAReportThatIsDeletedOrForgedComesBackAndOneThatNobodyAskedForGoes(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	pool, others := w.pool("team-a", w.allot(5), serving(shop), limitedTo(3)), w.pool("team-b", w.allot(5), serving("nobody"))
	u := w.wantUsage(shop, pool, "WithinLimit 0 of 3 []")
	w.must(w.Delete(t.Context(), u))
	u = w.wantUsage(shop, pool, "WithinLimit 0 of 3 []")
	// Nobody else may write one, but that was not always so.
	forger := w.asManager()
	u.Status = v1alpha1.NodePortUsageStatus{Used: 7, Limit: new(int32(100)), NodePorts: []int32{30000}}
	w.must(forger.Status().Update(t.Context(), u))
	w.wantUsage(shop, pool, "WithinLimit 0 of 3 []")
	for _, name := range []string{others.Name, "nobodys"} {
		made := &v1alpha1.NodePortUsage{}
		made.Namespace, made.Name = shop, name
		w.must(forger.Create(t.Context(), made))
		w.eventually("it goes", func() error { return stillThere(w.Get(t.Context(), client.ObjectKeyFromObject(made), made)) })
	}
}

func TestAReportIsWrittenOnceForABurstOfServices(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop := w.namespace("shop")
	pool := w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31199}, serving(shop))
	w.wantUsage(shop, pool, "WithinLimit 0 of ? []")
	before := w.writesOfReports()
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			if _, err := w.tryCreate(makeService(fmt.Sprintf("%s/web-%d", shop, i)).NodePort(80, 31100+int32(i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.eventually("all are counted", func() error {
		if u, err := w.usage(shop, pool); err != nil || u.Status.Used != 30 {
			return fmt.Errorf("used are %+v: %w", u, err)
		}
		return nil
	})
	w.eventually("all are bound", func() error {
		for n, entry := range w.ledgerOf(shop) {
			if !strings.Contains(entry, " Bound ") {
				return fmt.Errorf("%d is %s", n, entry)
			}
		}
		return nil
	})
	// Each takes half a second to settle; a slow machine takes a few seconds for all.
	if writes := w.writesOfReports() - before; writes == 0 || writes > 10 {
		t.Errorf("the report was written %d times for 30 Services", writes)
	}
}

// writesOfReports is how many times the manager has written the status of a usage.
func (w *world) writesOfReports() int {
	w.Helper()
	log, err := os.ReadFile(w.auditLog)
	w.must(err)
	writes := 0
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, `"resource":"nodeportusages"`) && strings.Contains(line, `"verb":"update"`) {
			writes++
		}
	}
	return writes
}
