package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// ErrNoFiles is returned where a directory has no file to read.
var ErrNoFiles = errors.New("no .yaml, .yml or .json file")

// extensions are those of the files that are read out of directories, as kubectl does. A file that is named is read
// whatever it is called.
var extensions = []string{".yaml", ".yml", ".json"}

// Read reads files, directories and, for "-", stdin.
func Read(names []string, stdin io.Reader, options Options) *Set {
	r := &reader{Options: options, set: &Set{}}
	for _, name := range names {
		if name == "-" {
			r.file("-", stdin)
			continue
		}
		if err := r.path(name); err != nil {
			r.set.Troubles = append(r.set.Troubles, Trouble{File: name, Err: withoutPath(err)})
		}
	}
	return r.set
}

type reader struct {
	Options
	set *Set
}

// path reads a file or a directory.
func (r *reader) path(name string) error {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		if err == nil {
			err = r.open(name)
		}
		return err
	}
	found := 0
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != name && !r.Recursive:
			return filepath.SkipDir
		case entry.IsDir() || !slices.Contains(extensions, filepath.Ext(path)):
			return nil
		}
		found++
		return r.open(path)
	})
	if err == nil && found == 0 {
		return ErrNoFiles
	}
	return err
}

func (r *reader) open(path string) error {
	f, err := os.Open(path) //nolint:gosec // the caller names his own files
	if err != nil {
		return err
	}
	defer f.Close()
	r.file(path, f)
	return nil
}

// withoutPath is what went wrong with a file, without its name, which is said before.
func withoutPath(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("cannot be read: %w", path.Err)
	}
	return err
}
