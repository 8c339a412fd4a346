package export

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// oneOf is what a word of a flag stands for.
func oneOf[T any](flag, word string, known map[string]T) (T, error) {
	value, ok := known[strings.ToLower(word)]
	if !ok {
		words := slices.DeleteFunc(slices.Sorted(maps.Keys(known)), func(w string) bool { return w == "" })
		return value, fmt.Errorf("%s %s: it is one of %s", flag, word, strings.Join(words, ", "))
	}
	return value, nil
}

func each[T any](flag string, words []string, known map[string]T) ([]T, error) {
	var all []T
	for _, word := range words {
		value, err := oneOf(flag, word, known)
		if err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	return all, nil
}

func selector(text string) (labels.Selector, error) {
	s, err := labels.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--selector %s: %w", text, err)
	}
	return s, nil
}

func addresses(words []string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, word := range words {
		a, err := netip.ParseAddr(word)
		if err != nil {
			return nil, fmt.Errorf("--bind %s: it is no address of a load balancer: such as :: or 192.0.2.1", word)
		}
		all = append(all, a)
	}
	return all, nil
}

// tableName is what nftables takes for a name.
var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)

// names checks what is written as it is said.
func (f *flags) names() error {
	var errs []error
	if !tableName.MatchString(f.table) {
		errs = append(errs, fmt.Errorf("--table %s: it is the name of a table, such as filter", f.table))
	}
	for _, name := range append([]string{f.zone}, f.nameServers...) {
		if name = strings.TrimSuffix(name, "."); name != "" && len(validation.IsDNS1123Subdomain(name)) > 0 {
			errs = append(errs, fmt.Errorf("%s is no name of a zone or name server: such as ports.example.com", name))
		}
	}
	if f.ttl < time.Second {
		errs = append(errs, fmt.Errorf("--ttl %s: it is a second at least", f.ttl))
	}
	return errors.Join(errs...)
}

// said are the flags that make a difference to the text. Others, such as where it goes or with whose credentials, do not: the
// same export gives the same text.
var said = []string{"namespace", "all-namespaces", "selector", "pool", "protocol", "ip-family", "addresses", "listen", "bind",
	"table", "zone", "name-server", "ttl", "without-portolan"}

// made is the command as it was called, for the head of a text.
func made(name string, set *pflag.FlagSet) string {
	words := []string{"kubectl portolan export", name}
	for _, flag := range said {
		f := set.Lookup(flag)
		if f == nil || !f.Changed {
			continue
		}
		value := f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = strings.Join(list.GetSlice(), ",")
		}
		word := "--" + flag
		if f.Value.Type() != "bool" || value != "true" {
			word += "=" + value
		}
		words = append(words, quoted(word))
	}
	return strings.Join(words, " ")
}

// plain is what a shell takes as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_=:,./@%+-]+$`)

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
