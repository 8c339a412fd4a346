package doctor

import (
	"fmt"
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// older says which side seems to be the older one: that without the fields that the other has, as fields are only ever added.
func older(found, wanted *apiextensionsv1.CustomResourceDefinition) string {
	installed, own := fields(found), fields(wanted)
	more, less := without(installed, own), without(own, installed)
	switch {
	case len(more) > 0 && len(less) == 0:
		return fmt.Sprintf("this kubectl portolan seems to be the older one, as it does not know %s: get a newer one", term.Few(more, few))
	case len(less) > 0 && len(more) == 0:
		return fmt.Sprintf("what is installed seems to be the older one, as it does not have %s: upgrade it (docs/install.md)", term.Few(less, few))
	}
	return "either may be the older one. Bring both to the same version"
}

// fields are those of all versions of a kind: "v1alpha1.spec.ports[].name".
func fields(d *apiextensionsv1.CustomResourceDefinition) map[string]bool {
	found := map[string]bool{}
	for _, v := range d.Spec.Versions {
		if v.Schema != nil && v.Schema.OpenAPIV3Schema != nil {
			gather(found, v.Name, v.Schema.OpenAPIV3Schema)
		}
	}
	return found
}

// gather adds the fields below a path.
func gather(found map[string]bool, path string, schema *apiextensionsv1.JSONSchemaProps) {
	for name, property := range schema.Properties {
		found[path+"."+name] = true
		gather(found, path+"."+name, &property)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		gather(found, path+"[]", schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		gather(found, path+"{}", schema.AdditionalProperties.Schema)
	}
}

// without are the keys of a that b does not have.
func without(a, b map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(a)), func(key string) bool { return b[key] })
}
