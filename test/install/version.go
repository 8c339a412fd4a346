package install

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Version is a version of Portolan.
type Version struct {
	// Config is its directory config.
	Config string
	// programs is where its programs are; empty: where findProgram looks.
	programs string
}

// Checkout is the version that the checkout has, with the programs that make builds of it.
func Checkout() Version { return Version{Config: filepath.Join(Repository(), "config")} }

// Previous is the version before that of the checkout: see hack/previous. It is built if it is not there, which takes half a
// minute.
func Previous(ctx context.Context) (Version, error) {
	build := exec.CommandContext(ctx, filepath.Join(Repository(), "hack", "previous", "build"))
	var stderr bytes.Buffer
	build.Stderr = &stderr
	if err := build.Run(); err != nil {
		return Version{}, fmt.Errorf("hack/previous/build: %w\n%s", err, &stderr)
	}
	built := filepath.Join(Repository(), "bin", "previous")
	return Version{Config: filepath.Join(built, "source", "config"), programs: built}, nil
}

// Program is the path of one of the version's programs, whether or not it is there.
func (v Version) Program(name string) string {
	if v.programs == "" {
		return findProgram(name)
	}
	return filepath.Join(v.programs, name)
}

// Repository is the root of the checkout that this file is in.
func Repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
