package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
)

const (
	unknown = "NOASSERTION"
	program = common.ElementID("Program")
	// namespace is what the names of documents begin with: a hash makes each the only one of its name.
	namespace = "https://github.com/portolan-dev/portolan/spdx/"
)

// document says of a program, by its name and sum, what it is made of. The same program has the same document.
func document(name string, sum [sha256.Size]byte, info *debug.BuildInfo, parts []part, created time.Time) *spdx.Document {
	hash := hex.EncodeToString(sum[:])
	doc := &spdx.Document{
		SPDXVersion:       spdx.Version,
		DataLicense:       spdx.DataLicense,
		SPDXIdentifier:    "DOCUMENT",
		DocumentName:      name,
		DocumentNamespace: namespace + name + "-" + hash,
		CreationInfo: &spdx.CreationInfo{
			Created:  created.Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "portolan-hack-sbom"}},
		},
		Packages: []*spdx.Package{{
			PackageName:             name,
			PackageSPDXIdentifier:   program,
			PackageVersion:          info.Main.Version,
			PackageDownloadLocation: "https://" + info.Main.Path,
			PackageChecksums:        []common.Checksum{{Algorithm: common.SHA256, Value: hash}},
			PackageLicenseConcluded: unknown,
			PackageLicenseDeclared:  "Apache-2.0",
			PackageCopyrightText:    unknown,
			PrimaryPackagePurpose:   "APPLICATION",
		}},
		Relationships: []*spdx.Relationship{related("DOCUMENT", common.TypeRelationshipDescribe, program)},
	}
	for i, p := range parts {
		id := common.ElementID(fmt.Sprintf("Part-%d", i+1))
		doc.Packages = append(doc.Packages, p.describe(id))
		doc.Relationships = append(doc.Relationships, related(program, common.TypeRelationshipContains, id))
	}
	return doc
}

func related(a common.ElementID, as string, b common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.DocElementID{ElementRefID: a}, Relationship: as, RefB: common.DocElementID{ElementRefID: b}}
}

func (p part) describe(id common.ElementID) *spdx.Package {
	from, locator := "https://proxy.golang.org/"+p.path+"/@v/"+p.version+".zip", "pkg:golang/"+p.path+"@"+p.version
	if p.path == goItself {
		from = "https://go.dev/dl/go" + p.version + ".src.tar.gz"
	}
	return &spdx.Package{
		PackageName:               p.path,
		PackageSPDXIdentifier:     id,
		PackageVersion:            p.version,
		PackageDownloadLocation:   from,
		PackageLicenseConcluded:   p.expression(),
		PackageLicenseDeclared:    unknown,
		PackageCopyrightText:      unknown,
		PackageExternalReferences: []*spdx.PackageExternalReference{{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: locator}},
	}
}
