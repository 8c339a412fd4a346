package root

import (
	"fmt"

	"github.com/spf13/cobra"
)

// width is that of help texts, in columns.
const width = 80

// usage is cobra's template with examples first, and without the flags that all verbs have: there are more of these than of
// a verb's own.
const usage = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} VERB [flags]{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}
{{- end}}
{{- if .HasAvailableSubCommands}}{{$all := .Commands}}
{{- range $group := .Groups}}

{{.Title}}
{{- range $all}}{{if and (eq .GroupID $group.ID) .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{- end}}

More:
{{- range $all}}{{if and (eq .GroupID "") (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}

Help on a verb: {{.CommandPath}} VERB --help
{{- end}}
{{- if and .HasParent .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}
{{- end}}

Flags of all verbs, such as -n, --context and --color: {{.Root.CommandPath}} options
`

// options lists the flags that all verbs have.
func options() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "options",
		Short: "List the flags that all verbs have",
		Args:  cobra.NoArgs,
	}
	cmd.Run = func(cmd *cobra.Command, _ []string) {
		fmt.Fprint(cmd.OutOrStdout(), "Flags of all verbs:\n\n", cmd.InheritedFlags().FlagUsagesWrapped(width))
	}
	return cmd
}

// helpful has help texts as above, errors that lead there, and the commands that are about commands.
func helpful(cmd *cobra.Command) {
	cmd.SetUsageTemplate(usage)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	cmd.AddCommand(options())
	cmd.InitDefaultHelpCmd()
	cmd.InitDefaultCompletionCmd()
}
