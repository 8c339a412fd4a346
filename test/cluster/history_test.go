package cluster_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/test/cluster"
)

func TestEtcdsHistoryIsSeenInOrderAndWithoutAGapThoughEtcdIsKilled(t *testing.T) {
	t.Parallel()
	asked := ""
	c := start(t, cluster.Options{EtcdBy: func(address string) (string, error) {
		asked = address
		return address, nil
	}})
	if !strings.HasPrefix(asked, "127.0.0.1:") {
		t.Errorf("the way to etcd was asked for %q", asked)
	}
	from, err := c.EtcdRevision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startBudget)
	defer cancel()
	var seen []string
	last := from
	note := func(change cluster.Change) {
		if change.Revision < last {
			t.Errorf("revision %d comes after %d", change.Revision, last)
		}
		last = change.Revision
		if name, ok := strings.CutPrefix(change.Key, "/registry/configmaps/default/history-"); ok {
			if change.Value == nil {
				name += " gone"
			}
			if seen = append(seen, name); name == "c" {
				cancel()
			}
		}
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			_ = c.WatchEtcd(ctx, last+1, note) // etcd is away
			<-time.After(20 * time.Millisecond)
		}
	}()
	kubectl(t, c, "create", "configmap", "history-a")
	kubectl(t, c, "delete", "configmap", "history-a")
	c.KillEtcd()
	if err := c.StartEtcd(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first may meet a connection to the etcd of before
		_ = c.Kubectl(t.Context(), "create", "configmap", "history-b").Run()
	}
	kubectl(t, c, "create", "configmap", "history-c")
	<-watched
	if want := []string{"a", "a gone", "b", "c"}; !slices.Equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}
