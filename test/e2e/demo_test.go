package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// demo is a run of the demo program, in a directory of its own.
type demo struct {
	*exec.Cmd
	dir   string
	ended chan struct{}

	mu  sync.Mutex // guards out
	out bytes.Buffer
}

// Write takes what the program prints.
func (d *demo) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.Write(p)
}

func (d *demo) printed() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.String()
}

func startDemo(t *testing.T, dir string, args ...string) *demo {
	t.Helper()
	d := &demo{dir: dir, ended: make(chan struct{})}
	d.Cmd = exec.Command(program("demo"), append(args, "--dir="+dir)...)
	d.Stdout, d.Stderr = d, d
	d.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the kernel ends the child with the thread that forked it
		defer close(d.ended)
		err := d.Start()
		started <- err
		if err == nil {
			_ = d.Wait() // how it ended is in d.ProcessState
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.end(t, syscall.SIGINT) })
	return d
}

// end sends a signal and returns when the program has ended.
func (d *demo) end(t *testing.T, signal os.Signal) {
	t.Helper()
	_ = d.Process.Signal(signal)
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		_ = d.Process.Kill()
		t.Errorf("the demo does not end after %s:\n%s", signal, d.printed())
	}
}

// awaitEnd wants the program to end by itself, with the code.
func (d *demo) awaitEnd(t *testing.T, code int) {
	t.Helper()
	select {
	case <-d.ended:
	case <-time.After(5 * time.Minute):
		t.Fatalf("the demo does not end:\n%s", d.printed())
	}
	if got := d.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d:\n%s", got, code, d.printed())
	}
}

// awaitUp returns when the demo has shown the tour and how to go on.
func (d *demo) awaitUp(t *testing.T) {
	t.Helper()
	d.awaitText(t, "Ctrl-C ends it all")
}

// awaitText returns when the demo has printed a text.
func (d *demo) awaitText(t *testing.T, text string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for !strings.Contains(d.printed(), text) {
		select {
		case <-d.ended:
			t.Fatalf("the demo has ended:\n%s", d.printed())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the demo does not print %q:\n%s", text, d.printed())
		}
	}
}

// wantNothingLeft wants no file, process, namespace and interface of the demo.
func (d *demo) wantNothingLeft(t *testing.T) {
	t.Helper()
	if left, err := os.ReadDir(d.dir); err != nil || len(left) > 0 {
		t.Errorf("%s holds %v, error %v", d.dir, left, err)
	}
	if left := processesOf(d.dir); len(left) > 0 {
		t.Errorf("processes are left: %s", left)
	}
	network := regexp.MustCompile(`portolan\d+-`).FindString(d.printed())
	if network == "" {
		return // it had no nodes
	}
	if left, _ := filepath.Glob("/run/netns/" + network + "*"); len(left) > 0 {
		t.Errorf("namespaces are left: %s", left)
	}
	if link, err := net.InterfaceByName(strings.TrimSuffix(network, "-")); err == nil {
		t.Errorf("the interface %s is left", link.Name)
	}
}

// processesOf are the command lines of processes that name the directory.
func processesOf(dir string) []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, _ := os.ReadFile(file) // gone meanwhile: empty
		if bytes.Contains(line, []byte(dir)) {
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

func TestDemosRunSideBySideAndLeaveNothing(t *testing.T) {
	t.Parallel()
	needKubeProxy(t)
	one, other := startDemo(t, t.TempDir(), "--once", "--proxy=kube-proxy"), startDemo(t, t.TempDir(), "--once", "--proxy=kube-proxy-iptables")
	for _, d := range []*demo{one, other} {
		d.awaitEnd(t, 0)
		d.wantNothingLeft(t)
	}
}

func TestEveryLineThatTheDemoOffersWorks(t *testing.T) {
	t.Parallel()
	needKubeProxy(t)
	one, other := startDemo(t, t.TempDir(), "--proxy=node-proxy"), startDemo(t, t.TempDir(), "--proxy=both")
	for _, d := range []*demo{one, other} {
		d.awaitUp(t)
		wantOfferedLinesToWork(t, d)
		d.end(t, syscall.SIGINT)
		d.awaitEnd(t, 0)
		d.wantNothingLeft(t)
	}
}

func wantOfferedLinesToWork(t *testing.T, d *demo) {
	t.Helper()
	lines := offered(d)
	page := slices.Index(lines, servesPage)
	if page < 0 {
		t.Fatalf("%s is not among %q", servesPage, lines)
	}
	out, err := shell(t, slices.Delete(slices.Clone(lines), page, page+1)).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for what, text := range map[string]string{"Pod has answered": `{"pod":"podinfo-`, "node has said what it does": "is served by this node"} {
		if !strings.Contains(string(out), text) {
			t.Errorf("no %s:\n%s", what, out)
		}
	}
	wantThePageToOpen(t, shell(t, append(slices.DeleteFunc(lines, goesOn), servesPage)))
}

// offered are the lines that the demo has for pasting.
func offered(d *demo) []string {
	_, offer, _ := strings.Cut(d.printed(), "It is yours now")
	var lines []string
	for line := range strings.Lines(offer) {
		if strings.HasPrefix(line, "  ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// servesPage is the offered line that ends only when it is told to.
const servesPage = "kubectl portolan ui"

// goesOn says of a line that those after it do without it.
func goesOn(line string) bool {
	return !strings.HasPrefix(line, "cd ") && !strings.HasPrefix(line, "export ")
}

// shell runs lines, until the first that fails. All that it starts ends with it, after a minute at the latest.
func shell(t *testing.T, lines []string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "bash", "-euxc", strings.Join(lines, "\n"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	return cmd
}

// wantThePageToOpen runs lines of which the last serves a page, whose address it prints, and has a look at it.
func wantThePageToOpen(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Cancel()
		_ = cmd.Wait() // told to end
	}()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), "http://127.0.0.1:") {
			continue
		}
		page, err := http.Get(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		defer page.Body.Close()
		if page.StatusCode != http.StatusOK {
			t.Errorf("the page answers %s", page.Status)
		}
		return
	}
	t.Error("no page's address is printed")
}

func TestNextDemoRemovesWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	needRoot(t)
	killed := startDemo(t, t.TempDir())
	killed.awaitText(t, "\n3. ") // there are nodes and Pods
	killed.end(t, syscall.SIGKILL)
	if left, _ := os.ReadDir(killed.dir); len(left) != 1 {
		t.Fatalf("the killed demo left %v, want its state directory", left)
	}
	next := startDemo(t, killed.dir, "--once", "--nodes=0")
	next.awaitEnd(t, 0)
	killed.wantNothingLeft(t)
	if want := "the tour leaves out the requests"; !strings.Contains(next.printed(), want) {
		t.Errorf("without nodes it does not say %q:\n%s", want, next.printed())
	}
}

func TestInterruptedStartLeavesNothing(t *testing.T) {
	d := startDemo(t, t.TempDir(), "--nodes=0")
	d.awaitText(t, "API server ready")
	d.end(t, syscall.SIGTERM)
	d.awaitEnd(t, 130)
	d.wantNothingLeft(t)
}

func TestDemoRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, args := range [][]string{{"--nodes=many"}, {"--twice"}, {"once"}, {"--proxy=squid"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			d := startDemo(t, t.TempDir(), args...)
			d.awaitEnd(t, 2)
			if !strings.Contains(d.printed(), "see --help") {
				t.Errorf("it prints %q", d.printed())
			}
		})
	}
}
