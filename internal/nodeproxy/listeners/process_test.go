package listeners

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// proc is a /proc of processes ("12 nginx": "socket:[5] pipe:[6]"), of which the one numbered 7 asks.
func proc(t *testing.T, processes map[string]string) Processes {
	t.Helper()
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink("7", filepath.Join(root, "self")))
	must(os.MkdirAll(filepath.Join(root, "sys"), 0o755))
	for process, files := range processes {
		pid, name, _ := strings.Cut(process, " ")
		must(os.MkdirAll(filepath.Join(root, pid, "fd"), 0o755))
		must(os.WriteFile(filepath.Join(root, pid, "comm"), []byte(name+"\n"), 0o644))
		for i, file := range strings.Fields(files) {
			must(os.Symlink(file, filepath.Join(root, pid, "fd", fmt.Sprint(i))))
		}
	}
	return Processes(root)
}

func TestProcessesAreFoundByTheirSockets(t *testing.T) {
	p := proc(t, map[string]string{
		"12 nginx":            "/dev/null socket:[100] pipe:[101] socket:[102]",
		"9 nginx-parent":      "socket:[102]",
		"113 nginx-child":     "socket:[102]",
		"7 node-proxy":        "socket:[103]",
		"20 a\xffb\x07c":      "socket:[104]",
		"30 large":            "socket:[99999999999]",
		"self-made no-number": "socket:[105]",
	})
	for _, c := range []struct {
		name   string
		inodes []uint32
		want   map[uint32]Process
	}{
		{"one of several sockets", []uint32{100}, map[uint32]Process{100: {Name: "nginx"}}},
		{"no socket", []uint32{101}, map[uint32]Process{}},
		{"the eldest of several processes", []uint32{102}, map[uint32]Process{102: {Name: "nginx-parent"}}},
		{"this process", []uint32{103}, map[uint32]Process{103: {Name: "node-proxy", Own: true}}},
		{"a name that cannot be printed", []uint32{104}, map[uint32]Process{104: {Name: "abc"}}},
		{"several", []uint32{100, 102, 105}, map[uint32]Process{100: {Name: "nginx"}, 102: {Name: "nginx-parent"}}},
		{"nobody's", []uint32{1}, map[uint32]Process{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wanted := make(map[uint32]bool)
			for _, inode := range c.inodes {
				wanted[inode] = true
			}
			if diff := cmp.Diff(c.want, p.Of(wanted)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestThisProcessHasTheSocketThatItListensAt(t *testing.T) {
	n := newNode(t)
	n.listen("tcp :30080")
	found, err := n.table.List(first, last)
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, error %v", found, err)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	want := Process{Name: strings.TrimSpace(string(comm)), Own: true}
	if got := Processes("/proc").Of(map[uint32]bool{found[0].Inode: true})[found[0].Inode]; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
