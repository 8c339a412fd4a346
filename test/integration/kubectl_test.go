package integration

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-cmp/cmp"
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
	file := filepath.Join("testdata", name+".golden")
	got = w.inTestsWords(got)
	if *update {
		w.must(os.MkdirAll("testdata", 0o755))
		w.must(os.WriteFile(file, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	w.must(err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		w.Errorf("%s is not as it was, which `go test ./test/integration -update` would accept (-want +got)\n%s", file, diff)
	}
}
