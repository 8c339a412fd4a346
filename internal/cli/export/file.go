package export

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// readIfThere is what a file has; nil where there is no file. What is there and no regular file, such as /dev/stdout, can
// neither be read to its end nor replaced, and is an error.
func readIfThere(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file, and cannot be replaced by one", path)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the caller names his own file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// replace puts a text in the place of what a file has, unless that is the same. Who reads the file finds the one or the
// other, whole, also after a crash. The file keeps its mode, and its owner and group as far as the caller may give files away,
// or lost says that it has not; a link goes on to lead to it.
func replace(path string, has, text []byte) (wrote bool, lost string, err error) {
	if has != nil && bytes.Equal(has, text) {
		return false, "", nil
	}
	real, err := target(path)
	if err != nil {
		return false, "", err
	}
	temporary, lost, err := write(real, text)
	if err != nil {
		return false, "", about(path, err)
	}
	if err := os.Rename(temporary, real); err != nil {
		_ = os.Remove(temporary)
		return false, "", about(path, err)
	}
	return true, lost, nil
}

// about says of which file an error is that names a temporary one, which nobody knows.
func about(path string, err error) error {
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &file):
		err = file.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Errorf("write %s, by a new file beside it that takes its place: %w", path, err)
}

// links is how many links are followed, as by Linux.
const links = 40

// target is the file that a path leads to, be it there or not.
func target(path string) (string, error) {
	for range links {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil // it is no link
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", &fs.PathError{Op: "readlink", Path: path, Err: syscall.ELOOP}
}

// write writes a file beside another one, which it will be, under a name that who reads all files of a directory passes over.
func write(path string, text []byte) (name, lost string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return "", "", err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if lost, err = dress(file, path); err != nil {
		return "", "", err
	}
	if _, err := file.Write(text); err != nil {
		return "", "", err
	}
	return file.Name(), lost, file.Sync()
}

// newMode is that of a file which was not there: load balancers and name servers read it as other users.
const newMode = 0o644

// dress gives a file the mode and owner of the one at path.
func dress(file *os.File, path string) (lost string, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", file.Chmod(newMode)
	}
	if err != nil {
		return "", err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if lost, err = give(file.Chown, int(owner.Uid), int(owner.Gid)); err != nil {
			return "", err
		}
	}
	return lost, file.Chmod(info.Mode().Perm())
}

// give hands a file over, or to the group alone where the caller may not give files away, or leaves it as it is where it may
// not do that either. lost says what it has not kept; empty: nothing.
func give(chown func(uid, gid int) error, uid, gid int) (lost string, err error) {
	for _, try := range []struct {
		uid  int
		lost string
	}{
		{uid, ""},
		{-1, fmt.Sprintf("its owner, user %d", uid)},
	} {
		if err = chown(try.uid, gid); !errors.Is(err, fs.ErrPermission) {
			return try.lost, err
		}
	}
	return fmt.Sprintf("its owner, user %d, and group %d", uid, gid), nil
}
