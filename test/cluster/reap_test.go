package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/testmain"
)

// ownerDir is set in a copy of this test program that owns a cluster until it is killed; see TestMain.
const ownerDir = "PORTOLAN_TEST_OWNER_DIR"

func wantNothingIn(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%s still holds %v, error %v", dir, left, err)
	}
}

// wantNoNetwork wants no namespace with the prefix, and no interface of the name before the dash.
func wantNoNetwork(t *testing.T, prefix string) {
	t.Helper()
	if left, _ := filepath.Glob("/run/netns/" + prefix + "*"); len(left) > 0 {
		t.Errorf("namespaces are left: %v", left)
	}
	if link, err := net.InterfaceByName(strings.TrimSuffix(prefix, "-")); err == nil {
		t.Errorf("an interface is left: %v", link)
	}
}

func TestStopLeavesNoThreadInANamespace(t *testing.T) {
	needRoot(t)
	c, err := cluster.Start(t.Context(), cluster.Options{Nodes: 2, Dir: t.TempDir(), Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	apply(t, c, webYAML)
	kubectl(t, c, "rollout", "status", "deployment/web", "--timeout=90s")
	c.Stop()
	deadline := time.Now().Add(2 * time.Second)
	for threadsAstray() > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if astray := threadsAstray(); astray > 0 {
		t.Errorf("%d threads are still in another network namespace", astray)
	}
}

// threadsAstray counts threads of this process that are in another network namespace than the process.
func threadsAstray() int {
	own, _ := os.Readlink("/proc/self/ns/net")
	threads, _ := filepath.Glob("/proc/self/task/*/ns/net")
	astray := 0
	for _, thread := range threads {
		if ns, err := os.Readlink(thread); err == nil && ns != own {
			astray++
		}
	}
	return astray
}

// TestMain runs the tests, or, as the child that startOwner starts, owns a cluster until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		fmt.Fprintln(os.Stderr, ownCluster(dir))
		os.Exit(1)
	}
	flag.Parse()
	testmain.SetUnlessGiven("test.parallel", "3") // most of the time a cluster waits
	os.Exit(m.Run())
}

// ownCluster starts a cluster and returns only if that fails.
func ownCluster(dir string) error {
	nodes := 0
	if os.Geteuid() == 0 {
		nodes = 2
	}
	if _, err := cluster.Start(context.Background(), cluster.Options{Nodes: nodes, Dir: dir, Log: os.Stdout}); err != nil {
		return err
	}
	select {}
}

// killOwner starts a process that owns a cluster and kills it when its progress reaches a line.
func killOwner(t *testing.T, dir, line string) {
	t.Helper()
	runtime.LockOSThread() // the kernel ends the owner with the thread that forked it
	defer runtime.UnlockOSThread()
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerDir+"="+dir)
	owner.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	reached := false
	for lines := bufio.NewScanner(out); !reached && lines.Scan(); {
		reached = strings.Contains(lines.Text(), line)
	}
	_ = owner.Process.Kill()
	_ = owner.Wait()
	if !reached {
		t.Fatalf("the owner ended before %q", line)
	}
}

// ownedBy reads what the cluster in dir noted down: processes (id and start) and networks.
func ownedBy(t *testing.T, dir string) (processes [][2]string, network string) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "portolan-cluster-*", "owned"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if fields[0] == "network" {
				network = fields[1] + "-"
			} else {
				processes = append(processes, [2]string{fields[1], fields[2]})
			}
		}
	}
	return processes, network
}

// runs says whether the process still is the one that started then.
func runs(process [2]string) bool {
	stat, err := os.ReadFile("/proc/" + process[0] + "/stat")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return fields[0] != "Z" && fields[19] == process[1]
}

func TestKilledOwnerLeavesNothingAfterReap(t *testing.T) {
	moments := []string{"API server ready", "cluster ready"}
	if os.Geteuid() == 0 {
		moments = append(moments, "network")
	}
	for _, moment := range moments {
		t.Run(moment, func(t *testing.T) {
			dir := t.TempDir()
			killOwner(t, dir, moment)
			processes, network := ownedBy(t, dir)
			if err := cluster.Reap(dir); err != nil {
				t.Fatal(err)
			}
			for _, p := range processes {
				if runs(p) {
					t.Errorf("process %s still runs", p[0])
				}
			}
			wantNothingIn(t, dir)
			if network != "" {
				wantNoNetwork(t, network)
			}
		})
	}
}

func TestChildrenDieWithTheirOwner(t *testing.T) {
	dir := t.TempDir()
	defer func() { _ = cluster.Reap(dir) }()
	killOwner(t, dir, "cluster ready")
	processes, _ := ownedBy(t, dir)
	if len(processes) < 4 {
		t.Errorf("%d processes are noted down, want the control plane at least", len(processes))
	}
	deadline := time.Now().Add(5 * time.Second)
	for _, p := range processes {
		for runs(p) && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		if runs(p) {
			t.Errorf("process %s outlives its owner", p[0])
		}
	}
}

func TestReapEndsOnlyTheProcessThatWasNotedDown(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "portolan-cluster-left")
	noted, other := sleeper(t), sleeper(t)
	text := fmt.Sprintf("process %d %s\nprocess %d %s\n", noted.Process.Pid, startOf(t, noted), other.Process.Pid, "1")
	if err := errors.Join(
		os.Mkdir(left, 0o700),
		os.WriteFile(filepath.Join(left, "lock"), nil, 0o600),
		os.WriteFile(filepath.Join(left, "owned"), []byte(text), 0o600),
		cluster.Reap(dir),
	); err != nil {
		t.Fatal(err)
	}
	wantNothingIn(t, dir)
	if runs([2]string{fmt.Sprint(noted.Process.Pid), startOf(t, noted)}) {
		t.Error("the process that was noted down still runs")
	}
	if !runs([2]string{fmt.Sprint(other.Process.Pid), startOf(t, other)}) {
		t.Error("a process that only has the same id was ended")
	}
}

func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func startOf(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[19]
}
