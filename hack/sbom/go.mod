// What a release says of what it is made of. A module of its own: nothing here reaches the product.
module github.com/portolan-dev/portolan/hack/sbom

go 1.26.0

require (
	github.com/google/licensecheck v0.3.1
	github.com/spdx/tools-golang v0.5.7
)

require github.com/anchore/go-struct-converter v0.1.0 // indirect
