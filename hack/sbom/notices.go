package main

import (
	"bytes"
	"fmt"
	"strings"
)

// noticesOf are the licences and notices of all parts, as these want to be passed on: each text once, below those that it
// is of.
func noticesOf(parts []part) []byte {
	var texts []string
	of := map[string][]string{}
	for _, p := range parts {
		for _, l := range p.licences {
			text := string(l.text)
			if of[text] == nil {
				texts = append(texts, text)
			}
			of[text] = append(of[text], p.String()+": "+l.file)
		}
	}
	var out bytes.Buffer
	fmt.Fprintln(&out, "This program is made of the following, besides its own code. What each comes under is said below it.")
	for _, text := range texts {
		fmt.Fprintf(&out, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(of[text], "\n"), text)
	}
	return out.Bytes()
}

// expression is what all of a part comes under, as SPDX writes it.
func (p part) expression() string {
	var ids []string
	seen := map[string]bool{}
	for _, l := range p.licences {
		for _, id := range l.ids {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	return strings.Join(ids, " AND ")
}
