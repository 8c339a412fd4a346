package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
)

// goItself is how the standard library is called among the parts.
const goItself = "stdlib"

// part is a module that is linked into a program, and the licences that it comes under.
type part struct {
	path, version string
	licences      []licence
}

// directories are where the modules of the build list are, by path@version; the standard library's, too.
func directories(ctx context.Context) (map[string]string, error) {
	list, err := output(ctx, "go", "list", "-m", "-f", `{{with .Replace}}{{.Path}}@{{.Version}} {{.Dir}}{{else}}{{.Path}}@{{.Version}} {{.Dir}}{{end}}`, "all")
	if err != nil {
		return nil, err
	}
	root, err := output(ctx, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	found := map[string]string{goItself: strings.TrimSpace(root)}
	for line := range strings.Lines(list) {
		if module, dir, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			found[module] = dir
		}
	}
	return found, nil
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // go, as the callers above have it
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, said.Bytes())
	}
	return string(out), nil
}

// partsOf are the standard library and the modules that a program is linked of, besides its own.
func partsOf(info *debug.BuildInfo, directories map[string]string) ([]part, error) {
	parts := []part{{path: goItself, version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		parts = append(parts, part{path: module.Path, version: module.Version})
	}
	var errs []error
	for i := range parts {
		if err := parts[i].readLicences(directories); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", parts[i], err))
		}
	}
	return parts, errors.Join(errs...)
}

// readLicences finds what a part comes under. Of Go that is the licence at its root: what has another one, below, is the
// go command, and BoringSSL, which is linked only by who asks for it.
func (p *part) readLicences(directories map[string]string) (err error) {
	if p.path == goItself {
		l, ok, err := readLicence(os.DirFS(directories[goItself]), "LICENSE", "")
		if ok {
			p.licences = []licence{l}
		}
		return err
	}
	p.licences, err = licencesIn(directories[p.String()], chosen[p.path])
	return err
}

func (p part) String() string { return p.path + "@" + p.version }
