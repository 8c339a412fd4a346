package main

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
)

// written are the document and the notices of this test's own program, for which the linker writes the same as for any.
func written(t *testing.T) (text []byte, doc *spdx.Document, notices string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := run(t.Context(), program, filepath.Join(dir, "spdx"), filepath.Join(dir, "notices"), "v1.2.3", time.Unix(1_800_000_000, 0).UTC()); err != nil {
		t.Fatal(err)
	}
	text, err = os.ReadFile(filepath.Join(dir, "spdx"))
	if err != nil {
		t.Fatal(err)
	}
	if doc, err = json.Read(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(filepath.Join(dir, "notices"))
	if err != nil {
		t.Fatal(err)
	}
	return text, doc, string(said)
}

func TestADocumentNamesEveryModuleThatIsLinked(t *testing.T) {
	_, doc, notices := written(t)
	program, _ := os.Executable()
	info, err := buildinfo.ReadFile(program)
	if err != nil || len(info.Deps) == 0 {
		t.Fatalf("this program has %v, error %v", info, err)
	}
	has := map[string]*spdx.Package{}
	for _, p := range doc.Packages {
		has[p.PackageName+"@"+p.PackageVersion] = p
	}
	wanted := []string{"stdlib@" + strings.TrimPrefix(info.GoVersion, "go")}
	for _, module := range info.Deps {
		wanted = append(wanted, module.Path+"@"+module.Version)
	}
	for _, module := range wanted {
		switch p := has[module]; {
		case p == nil:
			t.Errorf("%s is not in it", module)
		case p.PackageLicenseConcluded == "" || !strings.Contains(notices, module+": LICENSE"):
			t.Errorf("%s comes under %q, and its licence is in the notices: %t", module, p.PackageLicenseConcluded, strings.Contains(notices, module+": LICENSE"))
		}
	}
	if main := doc.Packages[0]; main.PackageVersion != "v1.2.3" || len(doc.Packages) != 1+len(wanted) {
		t.Errorf("the program is of %s, of %d packages, want %d", main.PackageVersion, len(doc.Packages), 1+len(wanted))
	}
}

func TestADocumentRelatesWhatItNames(t *testing.T) {
	_, doc, _ := written(t)
	related := map[string]string{}
	for _, r := range doc.Relationships {
		related[string(r.RefB.ElementRefID)] = string(r.RefA.ElementRefID) + " " + r.Relationship
	}
	for i, p := range doc.Packages {
		want := "Program CONTAINS"
		if i == 0 {
			want = "DOCUMENT DESCRIBES"
		}
		if got := related[string(p.PackageSPDXIdentifier)]; got != want {
			t.Errorf("%s: %q, want %q", p.PackageName, got, want)
		}
	}
}

func TestADocumentIsTheSameEachTime(t *testing.T) {
	one, _, _ := written(t)
	two, _, _ := written(t)
	if !bytes.Equal(one, two) {
		t.Errorf("first\n%s\nthen\n%s", one, two)
	}
}

func TestLicencesAreKnownAndCompatible(t *testing.T) {
	apache, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	const gpl = "This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public " +
		"License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version."
	for _, c := range []struct {
		name   string
		files  map[string]string
		choice string
		want   string // what is said; nothing if all is well
	}{
		{"at the root", map[string]string{"LICENSE": string(apache)}, "", ""},
		{"with a notice, and with another below", map[string]string{"LICENSE.md": string(apache), "NOTICE": "made by", "third_party/COPYING": string(apache)}, "", ""},
		{"none", map[string]string{"README": "free"}, "", "no licence"},
		{"a notice only", map[string]string{"NOTICE": string(apache)}, "", "no licence"},
		{"below only", map[string]string{"third_party/LICENSE": string(apache)}, "", "no licence"},
		{"unknown", map[string]string{"LICENSE": "Whoever reads this owes me a dinner, and whoever runs it, two of them."}, "", "0% of it are known"},
		{"one that does not go with ours", map[string]string{"LICENSE": string(apache), "third_party/LICENSE": gpl}, "", "it has GPL"},
		{"one that is not chosen", map[string]string{"LICENSE": string(apache), "LICENSE.other": gpl}, "Apache-2.0", ""},
		{"one of test data", map[string]string{"LICENSE": string(apache), "testdata/LICENSE": gpl}, "", ""},
		{"code that is called so", map[string]string{"LICENSE": string(apache), "license.go": "package license"}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			files := fstest.MapFS{}
			for name, text := range c.files {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if err := os.CopyFS(dir, files); err != nil {
				t.Fatal(err)
			}
			_, err := licencesIn(dir, c.choice)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
