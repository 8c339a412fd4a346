package upgrade

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/portolan-dev/portolan/test/install"
)

// plugin runs this version's kubectl portolan as admin, and returns all that it prints, in one line. Whether it finds something
// wrong is no matter.
func (w *world) plugin(args ...string) string {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), current.Program(install.PluginName), args...)
	cmd.Env = append(cmd.Environ(), "KUBECONFIG="+w.Kubeconfig(), "COLUMNS=300")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		w.Fatalf("kubectl portolan %s: %v\n%s", args, err, out)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// wantSaid fails the test unless a text has all of these parts, one after the other.
func wantSaid(t *testing.T, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Errorf("it does not say %q where it should:\n%s", part, text)
			return
		}
		rest = after
	}
}
