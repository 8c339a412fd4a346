package main

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"gotest.tools/v3/golden"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
)

const reference = "../../../docs/reference/flags.md" // as seen from testdata

func TestTheReferenceOfTheFlagsSaysWhatTheHelpSays(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "")
	golden.Assert(t, referenceOf(t), reference)
}

// referenceOf is the page, made from the flags themselves.
func referenceOf(t *testing.T) string {
	t.Helper()
	var page strings.Builder
	page.WriteString(`# Flags of the manager

What ` + "`manager -help`" + ` says. Set them in an overlay of ` + "`config/default`" + `, as args of the Deployment.

| flag | default | |
|---|---|---|
`)
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	config.RegisterFlags(flags)
	parse(flags, nil)
	flags.VisitAll(func(f *flag.Flag) {
		placeholder, text := flag.UnquoteUsage(f)
		if placeholder != "" {
			placeholder = " " + strings.ToUpper(placeholder)
		}
		byDefault := ""
		if f.DefValue != "" {
			byDefault = "`" + f.DefValue + "`"
		}
		text = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
		fmt.Fprintf(&page, "| `--%s%s` | %s | %s |\n", f.Name, placeholder, byDefault, text)
	})
	return page.String()
}
