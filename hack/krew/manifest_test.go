// Package krew tests the plugin's manifest as krew and its release bot read it. The manifest is a template: a release puts the
// tag, the addresses of the archives and their sums in.
package krew

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"sigs.k8s.io/yaml"
)

// plugin has the fields of krew's kind that the manifest may have, those of v1alpha2.
// Source: https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
type plugin struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version          string     `json:"version"`
		ShortDescription string     `json:"shortDescription"`
		Description      string     `json:"description"`
		Caveats          string     `json:"caveats"`
		Homepage         string     `json:"homepage"`
		Platforms        []platform `json:"platforms"`
	} `json:"spec"`
}

type platform struct {
	URI      string `json:"uri"`
	Sha256   string `json:"sha256"`
	Bin      string `json:"bin"`
	Selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	} `json:"selector"`
}

// released is the manifest of a release, as krew-release-bot makes it: addURIAndSha stands where both fields go.
// Source: https://github.com/rajatjindal/krew-release-bot
func released(t *testing.T, tag string) plugin {
	t.Helper()
	text, err := os.ReadFile("portolan.yaml")
	if err != nil {
		t.Fatal(err)
	}
	funcs := template.FuncMap{"addURIAndSha": func(address, tag string) (string, error) {
		uri, err := template.New("").Parse(address)
		if err != nil {
			return "", err
		}
		var b strings.Builder
		err = uri.Execute(&b, map[string]string{"TagName": tag})
		return fmt.Sprintf("uri: %s\n    sha256: %s", &b, strings.Repeat("0a", 32)), err
	}}
	manifest, err := template.New("portolan.yaml").Funcs(funcs).Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := manifest.Execute(&b, map[string]string{"TagName": tag}); err != nil {
		t.Fatal(err)
	}
	var p plugin
	if err := yaml.UnmarshalStrict(b.Bytes(), &p); err != nil {
		t.Fatalf("%v:\n%s", err, &b)
	}
	return p
}

func TestTheManifestIsOneThatKrewTakes(t *testing.T) {
	p := released(t, "v1.2.3")
	if p.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || p.Kind != "Plugin" || p.Metadata.Name != "portolan" || p.Spec.Version != "v1.2.3" {
		t.Errorf("got %+v", p)
	}
	// Source: https://krew.sigs.k8s.io/docs/developer-guide/develop/best-practices/
	if d := p.Spec.ShortDescription; d == "" || len(d) > 50 || strings.HasSuffix(d, ".") {
		t.Errorf("the short description is %q", d)
	}
	for line := range strings.Lines(p.Spec.Description + p.Spec.Caveats) {
		if len(line) > 81 {
			t.Errorf("it is wider than 80: %s", line)
		}
	}
	if p.Spec.Homepage == "" || p.Spec.Description == "" {
		t.Errorf("got %+v", p.Spec)
	}
}

func TestEachPlatformHasAnArchiveOfItsOwn(t *testing.T) {
	archive := regexp.MustCompile(`^https://github.com/portolan-dev/portolan/releases/download/v1\.2\.3/kubectl-portolan_([a-z]+)_([a-z0-9]+)\.tar\.gz$`)
	seen := map[string]bool{}
	for _, platform := range released(t, "v1.2.3").Spec.Platforms {
		labels := platform.Selector.MatchLabels
		name := archive.FindStringSubmatch(platform.URI)
		if name == nil || name[1] != labels["os"] || name[2] != labels["arch"] || seen[platform.URI] {
			t.Errorf("%v leads to %s", labels, platform.URI)
		}
		if platform.Bin != "kubectl-portolan" || len(platform.Sha256) != 64 {
			t.Errorf("got %+v", platform)
		}
		seen[platform.URI] = true
	}
	if len(seen) != 4 {
		t.Errorf("there are %d platforms", len(seen))
	}
}
