package rules

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Ranges are runs of port numbers in ascending order that do not touch or overlap.
type Ranges []v1alpha1.PortRange

// NewRanges sorts ranges and joins those that touch or overlap; a range whose from is above its to is
// left out.
func NewRanges(ranges []v1alpha1.PortRange) Ranges {
	sorted := slices.DeleteFunc(slices.Clone(ranges), func(r v1alpha1.PortRange) bool { return r.From > r.To })
	slices.SortFunc(sorted, func(a, b v1alpha1.PortRange) int { return cmp.Compare(a.From, b.From) })
	var joined Ranges
	for _, r := range sorted {
		if last := len(joined) - 1; last >= 0 && r.From <= joined[last].To+1 {
			joined[last].To = max(joined[last].To, r.To)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// ParseRange reads what the API server's --service-node-port-range takes: "30000-32767", both ends included,
// "30000+2767", which is the same, or "30080"; of 1 to 65535.
// Source: k8s.io/apimachinery/pkg/util/net/port_range.go.
func ParseRange(s string) (v1alpha1.PortRange, error) {
	separator := strings.IndexAny(s, "-+")
	var r v1alpha1.PortRange
	var err error
	if separator < 0 {
		r.From, err = parsePort(s)
		r.To = r.From
	} else if r.From, err = parsePort(s[:separator]); err == nil {
		r.To, err = parsePort(s[separator+1:])
		if s[separator] == '+' {
			r.To += r.From
		}
	}
	if err == nil && (r.From < 1 || r.From > r.To || r.To > 65535) {
		err = errors.New("it must be in 1-65535, and its end not before its start")
	}
	if err != nil {
		return v1alpha1.PortRange{}, fmt.Errorf("node port range %q: %w; want FROM-TO, for example 30000-32767", s, err)
	}
	return r, nil
}

// parsePort reads a number as the API server does, with a sign where there is one.
func parsePort(s string) (int32, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(s), "+"), 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no port number", s)
	}
	return int32(n), nil
}

// Contains says whether n is in one of the ranges.
func (r Ranges) Contains(n int32) bool {
	_, found := slices.BinarySearchFunc(r, n, func(r v1alpha1.PortRange, n int32) int {
		switch {
		case r.To < n:
			return -1
		case r.From > n:
			return 1
		}
		return 0
	})
	return found
}

// Len is how many numbers the ranges have.
func (r Ranges) Len() int {
	n := 0
	for _, run := range r {
		n += int(run.To - run.From + 1)
	}
	return n
}

// at is the i-th number, from 0 to Len()-1.
func (r Ranges) at(i int) int32 {
	for _, run := range r {
		if n := int(run.To - run.From + 1); i >= n {
			i -= n
			continue
		}
		return run.From + int32(i) //nolint:gosec // less than the length of a range of ports
	}
	panic("rules: no such number in the ranges")
}

// Intersect is the numbers that are in both.
func (r Ranges) Intersect(other Ranges) Ranges {
	var both Ranges
	for _, a := range r {
		for _, b := range other {
			if from, to := max(a.From, b.From), min(a.To, b.To); from <= to {
				both = append(both, v1alpha1.PortRange{From: from, To: to})
			}
		}
	}
	return both
}

// Subtract is the numbers of r that are not in other.
func (r Ranges) Subtract(other Ranges) Ranges {
	rest := slices.Clone(r)
	for _, b := range other {
		var next Ranges
		for _, a := range rest {
			if b.To < a.From || b.From > a.To {
				next = append(next, a)
				continue
			}
			if a.From < b.From {
				next = append(next, v1alpha1.PortRange{From: a.From, To: b.From - 1})
			}
			if a.To > b.To {
				next = append(next, v1alpha1.PortRange{From: b.To + 1, To: a.To})
			}
		}
		rest = next
	}
	return rest
}

// String is "30100-30199, 30500".
func (r Ranges) String() string { return r.Join(", ") }

// Join is the ranges in short with sep between them.
func (r Ranges) Join(sep string) string {
	runs := make([]string, len(r))
	for i, run := range r {
		runs[i] = strconv.Itoa(int(run.From))
		if run.To != run.From {
			runs[i] += "-" + strconv.Itoa(int(run.To))
		}
	}
	return strings.Join(runs, sep)
}
