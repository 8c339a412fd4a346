package session

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portolan-dev/portolan/internal/cli/picture"
)

// completionTimeout is how long a shell waits for us after a press of Tab.
const completionTimeout = 3 * time.Second

// Completion is a function as cobra wants it for flags and arguments.
type Completion = cobra.CompletionFunc

// Complete makes a completion out of what a picture of these kinds has. Whatever goes wrong, there is just nothing to
// complete: a shell has no place for errors.
func (s *Session) Complete(words func(*picture.Picture) []string, kinds ...picture.Kind) Completion {
	return func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, completionTimeout)
		defer cancel()
		p, err := s.Load(ctx, kinds...)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		fitting := slices.DeleteFunc(words(p), func(word string) bool { return !strings.HasPrefix(word, begun) })
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteNamespaces completes names of namespaces.
func (s *Session) CompleteNamespaces() Completion {
	return s.Complete(func(p *picture.Picture) []string {
		var names []string
		for _, n := range p.Namespaces {
			names = append(names, n.Name)
		}
		return names
	}, picture.Namespaces)
}

// CompletePools completes names of pools: also of those that only a namespace's usages name.
func (s *Session) CompletePools() Completion {
	return s.Complete(func(p *picture.Picture) []string {
		var names []string
		for _, pool := range p.Pools {
			names = append(names, pool.Name)
		}
		for _, usage := range p.Usages {
			names = append(names, usage.Name)
		}
		slices.Sort(names)
		return slices.Compact(names)
	}, picture.Pools, picture.Usages)
}

// CompleteNumbers completes numbers that somebody has, with whom.
func (s *Session) CompleteNumbers() Completion {
	return s.Complete(func(p *picture.Picture) []string {
		var words []string
		for _, n := range p.Taken() {
			word := strconv.Itoa(int(n.Number))
			if owner, ok := n.Owner(); ok {
				word = cobra.CompletionWithDesc(word, owner.String())
			}
			words = append(words, word)
		}
		return words
	}, picture.Allocations, picture.Services, picture.Reservations, picture.Usages)
}

// CompleteServices completes names of the namespace's Services that have node ports.
func (s *Session) CompleteServices() Completion {
	return s.Complete(func(p *picture.Picture) []string {
		namespace, _, err := s.Namespace()
		if err != nil {
			return nil
		}
		var names []string
		for _, n := range p.Taken() {
			for _, svc := range n.Carriers {
				if svc.Namespace == namespace {
					names = append(names, svc.Name)
				}
			}
		}
		slices.Sort(names)
		return slices.Compact(names)
	}, picture.Services)
}
