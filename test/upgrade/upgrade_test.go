package upgrade

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/test/install"
)

// lostByARollback are the fields that the kinds of the version before do not have, so that the API server forgets them: each
// of them, and no other. They are all in the table of docs/howto/upgrade.md.
var lostByARollback = []string{"NodePortPool .status.nodePortRange"}

// The tests of this file are one story, in which each begins with the versions with which the one before ends.

func TestWhileTheManagerIsUpgradedNoNumberChangesAndNobodyIsRefused(t *testing.T) {
	w := at(t, previous, previous)
	numbers, stored := w.numbers(), w.stored()
	load, packets := w.keepCreating(), w.keepAsking()
	load.await(10)
	w.must(w.installation.Apply(t.Context(), current.Version))
	w.wantKept(stored, w.stored())
	load.await(10) // by managers that are older than the kinds
	w.rollManagers(current)
	load.await(10)
	load.end()
	packets.end()
	w.settle()
	w.wantNumbers(numbers)
	w.wantKept(stored, w.stored())
	w.wantValid(w.stored())
	// What the new kinds would refuse is there, says so, and can be changed in its other fields.
	w.kubectl("", "patch", "npacc/old-words", "-n", "shop", "--type=merge", "-p", `{"spec":{"addresses":["192.0.2.0/24"]}}`, "--dry-run=server")
	w.kubectl("", "wait", "npacc/old-words", "-n", "shop", "--for=condition=Ready=False", "--timeout=90s")
}

func TestANewManagerAndOldNodeProxiesWorkTogether(t *testing.T) {
	at(t, current, previous).wantTogether("new-and-old")
}

func TestWhileNodeProxyIsUpgradedNoConnectionIsLost(t *testing.T) {
	w := at(t, current, previous)
	stored, packets := w.stored(), w.keepAsking()
	w.deployNodeProxies(current)
	packets.end()
	w.settle()
	w.wantKept(stored, w.stored())
}

func TestAReportOfALaterNodeProxyIsRead(t *testing.T) {
	w := at(t, current, current)
	w.reportOfALaterVersion(clashingPort)
	w.eventually("the pool counts the number", func() error {
		pool := &v1alpha1.NodePortPool{}
		if err := w.Get(t.Context(), client.ObjectKey{Name: "shop"}, pool); err != nil {
			return err
		}
		if pool.Status.Ports.Clashing != 1 {
			return fmt.Errorf("its numbers are %+v", pool.Status.Ports)
		}
		return nil
	})
}

func TestARollbackOfTheManagerLosesWhatTheGuideSaysAndNothingElse(t *testing.T) {
	w := at(t, current, current)
	w.awaitLost()
	numbers, stored := w.numbers(), w.stored()
	load, packets := w.keepCreating(), w.keepAsking()
	w.deployManagers(previous)
	load.await(10)
	load.end()
	packets.end()
	w.settle()
	w.wantNumbers(numbers)
	w.wantKept(stored, w.stored(), lostByARollback...)
	w.wantValid(w.stored())
}

func TestTheGuideNamesWhatARollbackLoses(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join(install.Repository(), "docs", "howto", "upgrade.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range lostByARollback {
		kind, path, _ := strings.Cut(field, " .")
		if row := fmt.Sprintf("| `%s` | `%s` |", kind, path); !strings.Contains(string(guide), row) {
			t.Errorf("docs/howto/upgrade.md has no row %s", row)
		}
	}
}

func TestAnOldManagerAndNewNodeProxiesWorkTogether(t *testing.T) {
	at(t, previous, current).wantTogether("old-and-new")
}

func TestThePluginSaysThatWhatIsInstalledIsOlder(t *testing.T) {
	w := at(t, previous, current)
	said := w.plugin("doctor")
	wantSaid(t, said, "what is installed seems to be the older one", "v1alpha1.status.nodePortRange", "upgrade it (docs/install.md)")
	wantSaid(t, w.plugin("who", "30100"), "shop/web")
	wantSaid(t, w.plugin("list", "-A"), "30100", "web")
	wantSaid(t, w.plugin("map"), "30000")
}

func TestAnUpgradeAfterARollbackBringsBackWhatWasLost(t *testing.T) {
	w := at(t, previous, current)
	numbers, stored, packets := w.numbers(), w.stored(), w.keepAsking()
	w.deployNodeProxies(previous)
	w.deployManagers(current)
	w.deployNodeProxies(current)
	packets.end()
	w.settle()
	w.awaitLost()
	w.wantNumbers(numbers)
	w.wantKept(stored, w.stored())
}

// In a rollout a replica of one version gives a number, and one of the other judges it, while either of them leads.
func TestManagersOfBothVersionsAnswerForTheSameServices(t *testing.T) {
	w := at(t, current, current)
	t.Cleanup(w.callWebhooksByTheBalancer)
	w.managersAre = release{name: "both"}
	w.startManager(previous)
	w.endManager(w.takeOldest())
	w.endManager(w.takeOldest()) // it leads now
	w.startManager(current)
	before, next := w.managers[0], w.managers[1]
	w.wantWellAnswered("old-leads-old-gives", before, next)
	w.wantWellAnswered("old-leads-new-gives", next, before)
	w.endManager(w.takeOldest())
	w.startManager(previous)
	next, before = w.managers[0], w.managers[1]
	w.wantWellAnswered("new-leads-old-gives", before, next)
	w.wantWellAnswered("new-leads-new-gives", next, before)
}
