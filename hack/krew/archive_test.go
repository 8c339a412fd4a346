package krew

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// unpacked writes the files of an archive to a directory, and lists them.
func unpacked(t *testing.T, archive []byte, dir string) (names []string) {
	t.Helper()
	compressed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(compressed); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(header.Name)), text, header.FileInfo().Mode()); err != nil {
			t.Fatal(err)
		}
	}
}

// namesEveryModule says whether what lies beside an archive, and what is in it, name all that its program is linked of.
func namesEveryModule(t *testing.T, dir, name string) {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(dir, "kubectl-portolan"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil || len(info.Deps) == 0 {
		t.Fatalf("the plugin is of %v, error %v", info, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, name+".spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	notices, err := os.ReadFile(filepath.Join(dir, "THIRD_PARTY_NOTICES"))
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range info.Deps {
		if !bytes.Contains(text, []byte(`"pkg:golang/`+module.Path+"@"+module.Version+`"`)) {
			t.Errorf("%s %s is not in the SPDX document", module.Path, module.Version)
		}
		if !bytes.Contains(notices, []byte(module.Path+"@"+module.Version+": ")) {
			t.Errorf("%s %s is not in the notices", module.Path, module.Version)
		}
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(program)); !bytes.Contains(text, []byte(sum)) {
		t.Errorf("the SPDX document is not of the program with the sum %s", sum)
	}
}

// build is what the script prints when it builds the archive of this platform into dir.
func build(t *testing.T, dir, umask string, environment ...string) (printed []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `umask "$0" && ./build "$1" "$2"`, umask, dir, runtime.GOOS+"_"+runtime.GOARCH)
	cmd.Env = append(os.Environ(), environment...)
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, printed)
	}
	return printed
}

func TestAnArchiveHasThePluginItsCompletionAndTheLicences(t *testing.T) {
	name, dir := "kubectl-portolan_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz", t.TempDir()
	printed := build(t, dir, "022")
	archive, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%x  %s\n", sha256.Sum256(archive), name)
	if sum, err := os.ReadFile(filepath.Join(dir, name+".sha256")); err != nil || string(sum) != want || string(printed) != want {
		t.Errorf("its sum is %q, printed %q, error %v, want %q", sum, printed, err, want)
	}
	names := unpacked(t, archive, dir)
	if !slices.Equal(names, []string{"kubectl-portolan", "kubectl_complete-portolan", "LICENSE", "THIRD_PARTY_NOTICES"}) {
		t.Errorf("it has %q", names)
	}
	namesEveryModule(t, dir, strings.TrimSuffix(name, ".tar.gz"))
	help, err := exec.CommandContext(t.Context(), filepath.Join(dir, "kubectl-portolan"), "--help").CombinedOutput()
	if err != nil || !strings.Contains(string(help), "export") {
		t.Errorf("the plugin says %v:\n%s", err, help)
	}
	if info, err := os.Stat(filepath.Join(dir, "kubectl_complete-portolan")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("the completion cannot be run: %v, error %v", info, err)
	}
	t.Run("and is the same whoever builds it, where and when", func(t *testing.T) {
		again := t.TempDir()
		build(t, again, "077", "TZ=UTC-7", "TMPDIR="+t.TempDir())
		for _, name := range []string{name, strings.TrimSuffix(name, ".tar.gz") + ".spdx.json"} {
			one, _ := os.ReadFile(filepath.Join(dir, name))
			other, err := os.ReadFile(filepath.Join(again, name))
			if err != nil || !bytes.Equal(one, other) {
				t.Errorf("%s has the sum %x, then %x, error %v", name, sha256.Sum256(one), sha256.Sum256(other), err)
			}
		}
	})
}
