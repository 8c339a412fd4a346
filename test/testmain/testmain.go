// Package testmain has what the TestMain functions of test/ share.
package testmain

import (
	"flag"
	"fmt"
	"os"
)

// Exit ends the process as the tests have: with their code, or with 1 and an error of what is around them.
func Exit(code int, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// SetUnlessGiven sets a flag that the command line does not set. Flags must have been parsed.
func SetUnlessGiven(name, value string) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if !given {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}
