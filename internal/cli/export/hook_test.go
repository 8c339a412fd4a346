package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const deadline = 20 * time.Second

// eventually waits for what is to become true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", deadline, what)
		}
	}
}

func exporting(command, file string) (*exporter, *bytes.Buffer) {
	var said bytes.Buffer
	return newExporter(Options{Exec: command, Output: file, Err: &said}), &said
}

func TestAHookIsToldTheFileAndHeard(t *testing.T) {
	e, said := exporting(`echo "reloading $PORTOLAN_FILE"; echo trouble >&2`, "/etc/portolan.cfg")
	if err := e.hook(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := said.String(); got != "reloading /etc/portolan.cfg\ntrouble\n" {
		t.Errorf("it said %q", got)
	}
}

func TestAHookThatFailsIsNamed(t *testing.T) {
	e, _ := exporting("exit 3", "/etc/portolan.cfg")
	err := e.hook(t.Context())
	var hook *HookError
	var exit *exec.ExitError
	if !errors.As(err, &hook) || !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(err.Error(), "--exec exit 3") {
		t.Errorf("got %v", err)
	}
}

// The hook counts its runs and fails when another one runs at the same time; it goes on when the test lets it.
const counting = `mkdir "$PORTOLAN_FILE.running" || echo clash >>"$PORTOLAN_FILE.runs"
echo run >>"$PORTOLAN_FILE.runs"
until [ -e "$PORTOLAN_FILE.go" ]; do sleep 0.01; done
rmdir "$PORTOLAN_FILE.running"`

func TestHooksNeverRunTwiceAtOnceAndNoneIsMissed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "portolan.cfg")
	e, said := exporting(counting, file)
	h := startHooks(t.Context(), e)
	runs := func() string {
		text, err := readIfThere(file + ".runs")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	h.ask()
	eventually(t, "the first run has begun", func() bool { return runs() == "run\n" })
	for range 5 { // while it runs
		h.ask()
	}
	mustWrite(t, file+".go", "", 0o644)
	h.end()
	if got := runs(); got != "run\nrun\n" || said.Len() > 0 {
		t.Errorf("runs: %q, said %q; want two, one after the other", got, said)
	}
}

func TestAHookThatDoesNotEndIsEndedWithTheExport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "portolan.cfg")
	e, said := exporting(`touch "$PORTOLAN_FILE.began"; exec sleep 1000`, file)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h := startHooks(ctx, e)
	h.ask()
	eventually(t, "the hook runs", func() bool { _, err := os.Stat(file + ".began"); return err == nil })
	cancel()
	h.end()
	if !strings.Contains(said.String(), "signal: terminated") {
		t.Errorf("said %q", said)
	}
}

func TestAHookThatFailsIsTriedAgainUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "portolan.cfg")
		e, said := exporting(`echo run >>"$PORTOLAN_FILE.runs"; [ -e "$PORTOLAN_FILE.go" ]`, file)
		h := startHooks(t.Context(), e)
		began := time.Now()
		ran := func(count int) {
			t.Helper()
			eventually(t, fmt.Sprintf("it has run %d times", count), func() bool {
				text, err := readIfThere(file + ".runs")
				return err == nil && strings.Count(string(text), "run\n") == count
			})
		}
		h.ask()
		ran(1)
		ran(2)
		mustWrite(t, file+".go", "", 0o644)
		ran(3)
		if took := time.Since(began); took < 3*again || took > 4*again {
			t.Errorf("the third try came after %s, want %s and then %s", took, again, 2*again)
		}
		<-time.After(time.Hour)
		ran(3)
		h.end()
		if strings.Count(said.String(), "exit status 1") != 2 {
			t.Errorf("said %q", said)
		}
	})
}

func TestAHookThatHangsIsEndedWithAllThatItStarted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "portolan.cfg")
	e, _ := exporting(`sleep 1000 & wait`, file)
	e.bound = 100 * time.Millisecond
	began := time.Now()
	if err := e.hook(t.Context()); err == nil || !strings.Contains(err.Error(), "not within 100ms") {
		t.Errorf("got %v", err)
	}
	// Who still has the hook's standard output is waited for.
	if took := time.Since(began); took >= grace {
		t.Errorf("what it started went on for %s", took)
	}
}

func TestCtrlCIsNotForTheHook(t *testing.T) {
	file := filepath.Join(t.TempDir(), "portolan.cfg")
	e, said := exporting("ps -o pgid= -p $$", file)
	if err := e.hook(t.Context()); err != nil {
		t.Fatal(err)
	}
	if group := strings.TrimSpace(said.String()); group == "" || group == strconv.Itoa(syscall.Getpgrp()) {
		t.Errorf("it is of the group %q, which is that of the export", group)
	}
}

func TestAHookThatLeavesSomethingBehindHasSucceeded(t *testing.T) {
	e, _ := exporting("sleep 1000 & echo $! >$PORTOLAN_FILE", filepath.Join(t.TempDir(), "child"))
	e.grace = 100 * time.Millisecond
	if err := e.hook(t.Context()); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(e.Output)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Errorf("what it left behind has been ended: %v", err)
	}
}
