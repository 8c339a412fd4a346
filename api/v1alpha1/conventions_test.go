package v1alpha1_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// upstream are fields whose schema is Kubernetes' own.
var upstream = map[string]bool{"namespaceSelector": true, "serviceSelector": true, "nodeSelector": true, "conditions": true, "apiVersion": true, "kind": true, "metadata": true}

// TestSchemasKeepTheAPIConventions holds the generated schemas against the rules of the API page: bounds on every
// string and list, a list type, a text for kubectl explain, and names that the conventions have retired.
func TestSchemasKeepTheAPIConventions(t *testing.T) {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no CustomResourceDefinitions found, run `make manifests`: %v", err)
	}
	for _, file := range files {
		crd := readCRD(t, file)
		if !slices.Contains(crd.Spec.Names.Categories, "portolan") || len(crd.Spec.Names.ShortNames) == 0 {
			t.Errorf("%s: want the category portolan and a short name", crd.Name)
		}
		for _, version := range crd.Spec.Versions {
			if version.Subresources == nil || version.Subresources.Status == nil {
				t.Errorf("%s: want the subresource status", crd.Name)
			}
			checkObject(t, crd.Spec.Names.Kind, version.Schema.OpenAPIV3Schema)
		}
	}
}

func readCRD(t *testing.T, file string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(raw, crd); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return crd
}

func checkObject(t *testing.T, path string, schema *apiextensionsv1.JSONSchemaProps) {
	for name := range schema.Properties {
		field := schema.Properties[name]
		where := path + "." + name
		if upstream[name] {
			continue
		}
		if field.Description == "" {
			t.Errorf("%s: want a text for kubectl explain", where)
		}
		if name == "phase" || strings.HasSuffix(name, "Duration") || strings.HasPrefix(name, "is") && len(name) > 2 && name[2] < 'a' {
			t.Errorf("%s: the conventions advise against such a field", where)
		}
		checkField(t, where, &field)
	}
}

func checkField(t *testing.T, where string, field *apiextensionsv1.JSONSchemaProps) {
	switch field.Type {
	case "string":
		if field.MaxLength == nil && len(field.Enum) == 0 && field.Format == "" {
			t.Errorf("%s: a string wants maxLength, an enum or a format", where)
		}
	case "integer":
		if !strings.Contains(where, ".status.") && (field.Minimum == nil || field.Maximum == nil) {
			t.Errorf("%s: an integer of a spec wants minimum and maximum", where)
		}
	case "array":
		if field.MaxItems == nil || field.XListType == nil {
			t.Errorf("%s: a list wants maxItems and a listType", where)
		}
		checkField(t, where+"[]", field.Items.Schema)
	case "object":
		checkObject(t, where, field)
	}
}
