package session

import "github.com/spf13/cobra"

// Output is what -o asks for: "table", which people read, or a value of the verb's own as "json" or "yaml".
type Output string

// table is what verbs print where nothing is asked for.
const table Output = "table"

// AddTo adds the flag to a verb. value says what programs get: "a list of nodePort and state".
func (o *Output) AddTo(cmd *cobra.Command, value string) {
	*o = table
	cmd.Flags().StringVarP((*string)(o), "output", "o", string(table), "The `format`: table; or json or yaml, "+value+".")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp)) // fails only where there is no such flag
}

// IsTable says whether people read it.
func (o Output) IsTable() bool { return o == table }
