package integration

import (
	"strings"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"
)

// kubectl runs it with a manifest or nothing on its input, and returns all that it prints.
func (w *world) kubectl(stdin string, args ...string) (string, error) {
	w.Helper()
	cmd := w.Cluster.Kubectl(w.Context(), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mustKubectl is kubectl that must succeed.
func (w *world) mustKubectl(stdin string, args ...string) string {
	w.Helper()
	out, err := w.kubectl(stdin, args...)
	if err != nil {
		w.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// golden compares a text with a file in testdata, or writes that with -update.
func (w *world) golden(name, got string) {
	w.Helper()
	assert.Check(w, golden.String(w.inTestsWords(got), name+".golden"))
}
