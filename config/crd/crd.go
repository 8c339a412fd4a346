// Package crd carries the CustomResourceDefinitions of Portolan's kinds, as they are installed, for programs that check
// objects of these kinds without an API server.
package crd

import "embed"

// Bases holds bases/portolan.dev_*.yaml, one CustomResourceDefinition a file.
//
//go:embed bases/*.yaml
var Bases embed.FS
