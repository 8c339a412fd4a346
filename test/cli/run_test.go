package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/polling"
)

// program is what make builds.
var program = filepath.Join(install.Repository(), "bin", "kubectl-portolan")

// patience is how long anything may take that is to happen by itself.
const (
	patience = 2 * time.Minute
	poll     = 50 * time.Millisecond
)

// answer is what a run of the program leaves.
type answer struct {
	out, errOut string
	code        int
}

// String is all of it, as a golden file has it.
func (a answer) String() string {
	text := a.out
	if a.errOut != "" {
		text += "--- on the error stream\n" + a.errOut
	}
	return text + fmt.Sprintf("--- exit code %d\n", a.code)
}

// user is somebody with a kubeconfig.
type user struct {
	*testing.T
	kubeconfig string
}

// operator may do everything.
func operator(t *testing.T) user { return user{t, site.Kubeconfig()} }

// run runs kubectl-portolan at width 80, without colours.
func (u user) run(args ...string) answer {
	u.Helper()
	return u.runIn([]string{"COLUMNS=80"}, args...)
}

// runIn runs kubectl-portolan with these variables in its environment, beside those that it needs.
func (u user) runIn(env []string, args ...string) answer {
	u.Helper()
	ctx, cancel := context.WithTimeout(u.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.TempDir(), "KUBECONFIG=" + u.kubeconfig}, env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		u.Fatal(err)
	}
	return answer{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

// What differs each time.
var (
	stamps = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)
	ages   = regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+s\b|\b\d+m\b`)
	breaks = regexp.MustCompile(`\n {16}`) // lines of kubectl portolan who break elsewhere when an age is longer
	gaps   = regexp.MustCompile(` {2,}`)
)

func sameEachTime(text string) string {
	text = stamps.ReplaceAllString(text, "<time>")
	text = ages.ReplaceAllString(text, "<age>")
	text = breaks.ReplaceAllString(text, " ")
	return gaps.ReplaceAllString(text, "  ")
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9]+`)

// wantGolden compares a text with the golden file of a name (or a command line).
func wantGolden(t *testing.T, name, got string) {
	t.Helper()
	assert.Check(t, golden.String(got, notInNames.ReplaceAllString(name, "-")+".golden"))
}

// eventually waits for check to succeed.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	if err := polling.Until(patience, poll, check); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantLine fails the test unless a line of the text has all the words.
func wantLine(t *testing.T, text string, words ...string) {
	t.Helper()
	for line := range strings.Lines(text) {
		rest, all := line, true
		for _, word := range words {
			_, after, found := strings.Cut(rest, word)
			rest, all = after, all && found
		}
		if all {
			return
		}
	}
	t.Errorf("no line has %q:\n%s", words, text)
}

func wantCode(t *testing.T, got answer, want int) {
	t.Helper()
	if got.code != want {
		t.Errorf("want exit code %d:\n%s", want, got)
	}
}

// unwrapped is a text in one line.
func unwrapped(text string) string { return strings.Join(strings.Fields(text), " ") }
