package monitoring

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages is where runbooks are read.
const pages = "https://github.com/portolan-dev/portolan/blob/main/"

var capital = regexp.MustCompile(`[A-Z]`)

// pageOf is the path of an alert's runbook.
func pageOf(alert string) string {
	words := capital.ReplaceAllStringFunc(strings.TrimPrefix(alert, "Portolan"), func(letter string) string { return "-" + strings.ToLower(letter) })
	return "docs/runbooks/" + strings.TrimPrefix(words, "-") + ".md"
}

// parts are the headings of every runbook.
var parts = []string{"## What it means", "## What to look at", "## What to do"}

func TestEveryAlertHasAPageThatSaysWhatToDo(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(repository, "docs/runbooks/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"docs/runbooks/README.md": true}
	for _, group := range allRules(t) {
		for _, rule := range group.Rules {
			if rule.Record != "" {
				continue
			}
			page := pageOf(rule.Alert)
			known[page] = true
			if got := rule.Annotations["runbook_url"]; got != pages+page {
				t.Errorf("%s leads to %s, want %s", rule.Alert, got, pages+page)
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" || rule.Labels["severity"] == "" {
				t.Errorf("%s lacks a summary, a description or a severity", rule.Alert)
			}
			if !strings.Contains(string(index), "[`"+rule.Alert+"`]("+filepath.Base(page)+") | "+rule.Labels["severity"]) && !twice[rule.Alert] {
				t.Errorf("docs/runbooks/README.md does not list %s, %s", rule.Alert, rule.Labels["severity"])
			}
			wantPage(t, page, rule.Alert)
		}
	}
	files, _ := filepath.Glob(filepath.Join(repository, "docs/runbooks/*.md"))
	for _, file := range files {
		if page, _ := filepath.Rel(repository, file); !known[page] {
			t.Errorf("%s is no alert's", page)
		}
	}
}

// twice are alerts of two severities.
var twice = map[string]bool{"PortolanCertificateExpiring": true}

func wantPage(t *testing.T, page, alert string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, page))
	if err != nil {
		t.Error(err)
		return
	}
	if !strings.HasPrefix(string(text), "# "+alert+"\n") {
		t.Errorf("%s does not begin with its alert", page)
	}
	for _, part := range parts {
		if !strings.Contains(string(text), "\n"+part+"\n") {
			t.Errorf("%s has no %q", page, part)
		}
	}
}
