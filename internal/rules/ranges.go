// Copyright The Portolan Authors.
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"cmp"
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

// ParseRange reads "30000-32767" as the API server's --service-node-port-range takes it: both ends
// included, 1 to 65535. It also takes "30000+100".
func ParseRange(s string) (v1alpha1.PortRange, error) {
	var r v1alpha1.PortRange
	var err error
	if from, size, ok := strings.Cut(s, "+"); ok {
		if r.From, err = parsePort(from); err == nil {
			r.To, err = parsePort(size)
			r.To += r.From
		}
	} else if from, to, ok := strings.Cut(s, "-"); ok {
		if r.From, err = parsePort(from); err == nil {
			r.To, err = parsePort(to)
		}
	} else {
		err = fmt.Errorf("want FROM-TO, for example 30000-32767")
	}
	if err == nil && (r.From > r.To || r.To > 65535) {
		err = fmt.Errorf("want 1 <= FROM <= TO <= 65535")
	}
	if err != nil {
		return v1alpha1.PortRange{}, fmt.Errorf("node port range %q: %w", s, err)
	}
	return r, nil
}

func parsePort(s string) (int32, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port number, 1 to 65535", s)
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
		return run.From + int32(i)
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
