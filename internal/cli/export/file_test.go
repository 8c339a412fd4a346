package export

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func mustWrite(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func mustStat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// bring is what an export does to a file.
func bring(t *testing.T, path, text string) (wrote bool) {
	t.Helper()
	has, err := readIfThere(path)
	if err != nil {
		t.Fatal(err)
	}
	if wrote, _, err = replace(path, has, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return wrote
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s has %q, error %v, want %q", path, got, err, want)
	}
}

func wantAlone(t *testing.T, dir string, count int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != count {
		t.Errorf("the directory has %v, error %v, want %d files", entries, err, count)
	}
}

func TestAFileIsReplacedAsAWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "portolan.cfg")
	if !bring(t, path, "one") {
		t.Error("it was not there, and is not written")
	}
	if mode := mustStat(t, path).Mode(); mode != newMode {
		t.Errorf("a new file has mode %v, want %o", mode, newMode)
	}
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if !bring(t, path, "two, and longer") {
		t.Error("it has changed, and is not written")
	}
	wantText(t, path, "two, and longer")
	before := make([]byte, 16)
	if n, err := reader.Read(before); err != nil || string(before[:n]) != "one" {
		t.Errorf("who was reading it reads %q, error %v, want what it was", before[:n], err)
	}
	wantAlone(t, dir, 1)
}

func TestAFileThatCannotBeWrittenIsNamedAsItsUserDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not-there", "portolan.cfg")
	_, _, err := replace(path, nil, []byte("one"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "write "+path+",") || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatHasTheTextIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portolan.cfg")
	mustWrite(t, path, "one", 0o644)
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	if bring(t, path, "one") || !mustStat(t, path).ModTime().Equal(long) {
		t.Error("it is written again")
	}
}

func TestAnEmptyFileThatIsNotThereIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portolan.csv")
	if !bring(t, path, "") {
		t.Error("it is not written")
	}
	wantText(t, path, "")
}

func TestAFileKeepsItsModeAndOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portolan.cfg")
	mustWrite(t, path, "one", 0o640)
	owner := os.Getuid()
	if owner == 0 {
		owner = 12345
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	bring(t, path, "two")
	info := mustStat(t, path)
	if info.Mode() != 0o640 || int(info.Sys().(*syscall.Stat_t).Uid) != owner {
		t.Errorf("mode %v and owner %d, want 0640 and %d", info.Mode(), info.Sys().(*syscall.Stat_t).Uid, owner)
	}
}

func TestALinkGoesOnToLeadToTheFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real", "portolan.cfg"), filepath.Join(dir, "portolan.cfg")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, path, "one", 0o644)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	bring(t, link, "two")
	wantText(t, path, "two")
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("it leads to %q, error %v", target, err)
	}
}

func TestALinkToAFileThatIsNotThereYetGoesOnToLeadToIt(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real", "portolan.cfg"), filepath.Join(dir, "portolan.cfg")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{link: "current", filepath.Join(dir, "current"): filepath.Join("real", "portolan.cfg")} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	bring(t, link, "one")
	wantText(t, path, "one")
	if to, err := os.Readlink(link); err != nil || to != "current" {
		t.Errorf("it leads to %q, error %v", to, err)
	}
}

func TestALinkThatLeadsNowhereIsAnError(t *testing.T) {
	link := filepath.Join(t.TempDir(), "portolan.cfg")
	if err := os.Symlink(link, link); err != nil {
		t.Fatal(err)
	}
	if wrote, _, err := replace(link, nil, []byte("one")); !errors.Is(err, syscall.ELOOP) || wrote {
		t.Errorf("wrote %t, error %v", wrote, err)
	}
}

func TestWhatIsNoRegularFileIsRefusedBeforeItIsRead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/null", t.TempDir()} {
		if text, err := readIfThere(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s has %q, error %v", path, text, err)
		}
	}
}

func TestWhoMayNotGiveFilesAwayKeepsTheGroup(t *testing.T) {
	failed := errors.New("read-only file system")
	for _, test := range []struct {
		name         string
		owner, group error // of setting both, and of the group by itself
		lost         string
		want         error
	}{
		{name: "both"},
		{name: "the group", owner: syscall.EPERM, lost: "its owner, user 12"},
		{name: "neither", owner: syscall.EPERM, group: syscall.EPERM, lost: "its owner, user 12, and group 34"},
		{name: "trouble", owner: failed, want: failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			lost, err := give(func(uid, gid int) error {
				if gid != 34 || uid != 12 && uid != -1 {
					t.Errorf("it is given to %d and %d", uid, gid)
				}
				if uid == -1 {
					return test.group
				}
				return test.owner
			}, 12, 34)
			if lost != test.lost || !errors.Is(err, test.want) {
				t.Errorf("lost %q, error %v, want %q and %v", lost, err, test.lost, test.want)
			}
		})
	}
}

func TestAWriteThatFailsLeavesTheFileAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "portolan.cfg")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o755); err != nil { // a directory is in the way
		t.Fatal(err)
	}
	if wrote, _, err := replace(path, nil, []byte("one")); err == nil || wrote {
		t.Errorf("wrote %t, error %v, want an error", wrote, err)
	}
	wantAlone(t, dir, 1)
}
