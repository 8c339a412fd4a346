package doctor

import (
	"fmt"
	"io/fs"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/config/crd"
)

// wantedDefinitions are those that this program was built with.
func wantedDefinitions() ([]apiextensionsv1.CustomResourceDefinition, error) {
	files, err := fs.Glob(crd.Bases, "bases/*.yaml")
	if err != nil {
		return nil, err
	}
	var wanted []apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		text, err := crd.Bases.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &definition); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		wanted = append(wanted, definition)
	}
	return wanted, nil
}

// kinds looks whether Portolan's kinds are there, served, and those of this version.
func kinds(c *Cluster) (r Result) {
	if r.unseen("CustomResourceDefinitions", c.Definitions.Err) {
		return r
	}
	same := 0
	for i := range c.Wanted {
		wanted := &c.Wanted[i]
		object := "crd/" + wanted.Name
		at := slices.IndexFunc(*c.Definitions.Object, func(d apiextensionsv1.CustomResourceDefinition) bool { return d.Name == wanted.Name })
		if at < 0 {
			r.trouble(object, fmt.Sprintf("There is no kind %s: Portolan does not start without it.", wanted.Spec.Names.Kind),
				fmt.Sprintf("kubectl create -f config/crd/bases/%s_%s.yaml   # in a checkout of the version that is installed", wanted.Spec.Group, wanted.Spec.Names.Plural))
			continue
		}
		found := &(*c.Definitions.Object)[at]
		switch {
		case !established(found):
			r.trouble(object, fmt.Sprintf("The API server does not serve %s yet: it says why.", wanted.Spec.Names.Kind), "kubectl describe "+object)
		case !sameSchema(found, wanted):
			r.notice(object, fmt.Sprintf("%s is of another version of Portolan than this kubectl portolan: %s. To apply the kinds of an older one would drop fields.",
				wanted.Spec.Names.Kind, older(found, wanted)), fmt.Sprintf("kubectl -n %s get deployment %s -o wide   # which version is installed", c.Namespace, deploymentName))
		default:
			same++
		}
	}
	r.Summary = fmt.Sprintf("%d of %d kinds are there, of this version", same, len(c.Wanted))
	return r
}

func established(d *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(d.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
}

// sameSchema compares what the API server goes by when it stores objects: versions, their fields, and their rules.
func sameSchema(a, b *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.EqualFunc(a.Spec.Versions, b.Spec.Versions, func(a, b apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return a.Name == b.Name && a.Served == b.Served && a.Storage == b.Storage &&
			equality.Semantic.DeepEqual(a.Schema, b.Schema) && equality.Semantic.DeepEqual(a.SelectableFields, b.SelectableFields)
	})
}
