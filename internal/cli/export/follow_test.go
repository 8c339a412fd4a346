package export

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

func TestAWriteThatFailsIsSaidAndTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not-yet")
	o := Options{Format: mustFormat(t, "haproxy"), Output: filepath.Join(dir, "portolan.cfg"), Clock: clock.RealClock{}}
	cluster := shop(nil)
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		o.Err = &said
		e := newExporter(o)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.follow(ctx, cluster, wanted(o.Format, o.Filter), newBell()) }()
		synctest.Wait()
		if !strings.Contains(said.String(), "portolan.cfg is not up to date, and will be tried again: ") {
			t.Errorf("said %q", said.String())
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		<-time.After(again)
		synctest.Wait()
		if _, err := os.Stat(o.Output); err != nil {
			t.Errorf("not written after %s: %v; said %q", again, err, said.String())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestWhatReadsTheFileIsToldAsAWatchBegins(t *testing.T) {
	o := Options{Format: mustFormat(t, "haproxy"), Output: filepath.Join(t.TempDir(), "portolan.cfg"), Clock: clock.RealClock{}}
	if _, _, err := exported(t, o); err != nil { // by an export that was ended before its hook
		t.Fatal(err)
	}
	o.Exec = "echo reloaded"
	cluster := shop(nil)
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		o.Err = &said
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		changed := newBell()
		go func() { ended <- newExporter(o).follow(ctx, cluster, wanted(o.Format, o.Filter), changed) }()
		synctest.Wait()
		changed.ring()
		<-time.After(patience)
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil || said.String() != "reloaded\n" {
			t.Errorf("said %q, error %v, want the hook to have run once", said.String(), err)
		}
	})
}
