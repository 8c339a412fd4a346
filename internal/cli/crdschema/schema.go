// Package crdschema checks objects of Portolan's kinds as the API server does before any webhook sees them: unknown fields,
// types, bounds, patterns, the CEL rules of the CustomResourceDefinitions; and it fills in their defaults. It needs no API
// server, for it reads the very definitions that are installed (config/crd/bases).
package crdschema

import (
	"context"
	"fmt"
	"io/fs"
	"math"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/config/crd"
)

// Schemas are those of Portolan's kinds. Any number of goroutines may use them.
type Schemas map[schema.GroupVersionKind]*Schema

// Schema is that of one version of a kind.
type Schema struct {
	// Namespaced says whether objects of the kind are in namespaces.
	Namespaced bool

	structural *structuralschema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

// Load reads the definitions that this program was built with.
func Load() (Schemas, error) {
	schemas := Schemas{}
	err := fs.WalkDir(crd.Bases, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := crd.Bases.ReadFile(path)
		if err == nil {
			err = schemas.add(text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
	return schemas, err
}

func (s Schemas) add(text []byte) error {
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, definition); err != nil {
		return err
	}
	for _, v := range definition.Spec.Versions {
		made, err := newSchema(v.Schema.OpenAPIV3Schema)
		if err != nil {
			return fmt.Errorf("version %s: %w", v.Name, err)
		}
		made.Namespaced = definition.Spec.Scope == apiextensionsv1.NamespaceScoped
		s[schema.GroupVersionKind{Group: definition.Spec.Group, Version: v.Name, Kind: definition.Spec.Names.Kind}] = made
	}
	return nil
}

func newSchema(props *apiextensionsv1.JSONSchemaProps) (*Schema, error) {
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(props, internal, nil); err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(internal)
	if err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(internal)
	if err != nil {
		return nil, err
	}
	return &Schema{structural: structural, validator: validator, rules: cel.NewValidator(structural, true, math.MaxInt64)}, nil
}

// Admit fills the defaults into an object that is about to be created, drops its unknown fields, and returns what the API
// server refuses of it: unknown are the paths of the unknown fields ("spec.range"), errs the rest.
func (s *Schema) Admit(object map[string]any) (unknown []string, errs field.ErrorList) {
	unknown = pruning.PruneWithOptions(object, s.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.PruneNonNullableNullsWithoutDefaults(object, s.structural)
	defaulting.Default(object, s.structural)
	errs = validation.ValidateCustomResource(nil, object, s.validator)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, object)...)
	if len(errs) > 0 || s.rules == nil { // the rules expect the types to be right
		return unknown, errs
	}
	broken, _ := s.rules.Validate(context.Background(), nil, s.structural, object, nil, math.MaxInt64)
	return unknown, broken
}
