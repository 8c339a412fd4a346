package root

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// plainly has wrong arguments of a verb said with what would be right, in the place of cobra's words.
func plainly(verb *cobra.Command) {
	fits := verb.Args
	if fits == nil {
		return
	}
	verb.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case fits(cmd, args) == nil:
			return nil
		case fits(cmd, nil) == nil && fits(cmd, args[:1]) != nil:
			return fmt.Errorf("%s takes no arguments, and got %s: did you mean %s? See %s --help", cmd.Name(), quoted(args), meant(cmd, args[0]), cmd.CommandPath())
		}
		return fmt.Errorf("%s, and got %s; see %s --help", wants(cmd), quoted(args), cmd.CommandPath())
	}
}

// meant are the flags whose value an argument may have been meant for.
func meant(cmd *cobra.Command, arg string) string {
	if cmd.Flags().Lookup("filename") != nil {
		return "-f " + arg
	}
	if cmd.Flags().Lookup("pool") != nil {
		return "-n " + arg + " or --pool " + arg
	}
	return "-n " + arg
}

// wants is what a verb takes: "export wants FORMAT, one of csv, json".
func wants(cmd *cobra.Command) string {
	_, what, _ := strings.Cut(cmd.Use, " ")
	text := cmd.Name() + " wants " + what
	var known []string
	for _, arg := range cmd.ValidArgs {
		name, _, _ := strings.Cut(arg, "\t")
		known = append(known, name)
	}
	if len(known) > 0 {
		text += ", one of " + strings.Join(known, ", ")
	}
	return text
}

func quoted(args []string) string {
	if len(args) == 0 {
		return "nothing"
	}
	texts := make([]string, len(args))
	for i, arg := range args {
		texts[i] = strconv.Quote(arg)
	}
	return strings.Join(texts, " ")
}

// complete refuses to run a verb without a flag that it needs.
func complete(cmd *cobra.Command, _ []string) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !f.Changed {
			err = fmt.Errorf("%s, and got no --%s; see %s --help", wants(cmd), f.Name, cmd.CommandPath())
		}
	})
	return err
}
