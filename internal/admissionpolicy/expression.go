package admissionpolicy

import (
	"fmt"
	"strconv"
	"strings"

	admissionac "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
)

type variable = *admissionac.VariableApplyConfiguration

// longest is how many characters of literals one expression may have: well below CEL's limit of 100,000.
const longest = 50_000

// let names the value of an expression. It is evaluated when first needed, once a request.
func let(name, expression string) variable {
	return admissionac.Variable().WithName(name).WithExpression(expression)
}

// letList names a list literal of items. One that would be too long is put together from several.
func letList(name string, items []string) []variable {
	return letParts(name, items, "[", "]", func(parts []string) string { return strings.Join(parts, " + ") })
}

// letMaps names a list of map literals that hold the entries: a list, since maps cannot be put together.
func letMaps(name string, entries []string) []variable {
	return letParts(name, entries, "{", "}", func(parts []string) string { return "[" + strings.Join(parts, ", ") + "]" })
}

// letParts names what join makes of one literal, or of variables that have a part each.
func letParts(name string, items []string, opening, closing string, join func(parts []string) string) []variable {
	chunks := split(items)
	if len(chunks) == 1 {
		return []variable{let(name, join([]string{literal(chunks[0], opening, closing)}))}
	}
	var variables []variable
	var parts []string
	for i, chunk := range chunks {
		part := name + strconv.Itoa(i)
		variables = append(variables, let(part, literal(chunk, opening, closing)))
		parts = append(parts, "variables."+part)
	}
	return append(variables, let(name, join(parts)))
}

// split cuts items into chunks that fit an expression, at least one.
func split(items []string) [][]string {
	chunks := [][]string{nil}
	length := 0
	for _, item := range items {
		if length > 0 && length+len(item) > longest {
			chunks = append(chunks, nil)
			length = 0
		}
		last := len(chunks) - 1
		chunks[last] = append(chunks[last], item)
		length += len(item)
	}
	return chunks
}

func literal(items []string, opening, closing string) string {
	if len(items) == 0 {
		return opening + closing
	}
	return fmt.Sprintf("%s\n  %s\n%s", opening, strings.Join(items, ",\n  "), closing)
}

// oneLine is a short list literal.
func oneLine[T any](values []T) string {
	items := make([]string, len(values))
	for i, v := range values {
		items[i] = fmt.Sprintf("%#v", v)
	}
	return "[" + strings.Join(items, ", ") + "]"
}
