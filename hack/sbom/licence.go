package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// licence is a file that a module says its conditions in.
type licence struct {
	file string   // below the module's directory
	ids  []string // SPDX's names of what it has; none for a notice
	text []byte
}

// compatible are the licences of which parts may be linked into a program under the Apache License 2.0, and passed on with
// their text (https://www.apache.org/legal/resolved.html#category-a).
var compatible = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// chosen is, of a module that may be had under one licence or another, the one that it is taken under.
var chosen = map[string]string{"github.com/spdx/tools-golang": "Apache-2.0"}

// enough is how much of a licence's file has to be known, in percent: the rest is names, and what else the file tells.
const enough = 60

var (
	licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|copyright)([-_.].*)?$`)
	noticeName  = regexp.MustCompile(`(?i)^notices?([-_.].*)?$`)
	notText     = regexp.MustCompile(`(?i)\.(go|s|json|ya?ml|tmpl|html)$`)
)

// licencesIn are those of the module in a directory, the one at its root first. There has to be that one. A choice leaves
// out the others.
func licencesIn(dir, choice string) (found []licence, err error) {
	if dir == "" {
		return nil, errors.New("it is not in the module cache: go mod download")
	}
	module := os.DirFS(dir)
	err = fs.WalkDir(module, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && linkedNever(name):
			return fs.SkipDir
		case !entry.Type().IsRegular() || notText.MatchString(name):
			return nil
		}
		l, ok, err := readLicence(module, name, choice)
		if ok {
			found = append(found, l)
		}
		return err
	})
	slices.SortStableFunc(found, func(a, b licence) int { return strings.Count(a.file, "/") - strings.Count(b.file, "/") })
	if err == nil && !slices.ContainsFunc(found, func(l licence) bool { return !strings.Contains(l.file, "/") && l.ids != nil }) {
		err = errors.New("there is no licence at its root")
	}
	return found, err
}

// linkedNever says of a directory that the go command builds nothing below it.
func linkedNever(name string) bool {
	base := path.Base(name)
	return base == "testdata" || base == "vendor" || base != "." && strings.ContainsAny(base[:1], "._")
}

func readLicence(module fs.FS, name, choice string) (l licence, ok bool, err error) {
	base := path.Base(name)
	isLicence := licenceName.MatchString(base)
	if !isLicence && !noticeName.MatchString(base) {
		return licence{}, false, nil
	}
	text, err := fs.ReadFile(module, name)
	if err != nil {
		return licence{}, false, err
	}
	l = licence{file: name, text: bytes.TrimSpace(text)}
	if !isLicence {
		return l, true, nil
	}
	l.ids, err = identify(text, choice)
	if err != nil {
		return licence{}, false, fmt.Errorf("%s: %w", name, err)
	}
	return l, len(l.ids) > 0, nil
}

// identify names the licences of a text, or only the choice. All of them have to be compatible.
func identify(text []byte, choice string) (ids []string, err error) {
	covered := licensecheck.Scan(text)
	if covered.Percent < enough {
		return nil, fmt.Errorf("%.0f%% of it are known", covered.Percent)
	}
	for _, match := range covered.Match {
		switch {
		case choice != "" && match.ID != choice:
		case !slices.Contains(compatible, match.ID):
			return nil, fmt.Errorf("it has %s", match.ID)
		default:
			ids = append(ids, match.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
