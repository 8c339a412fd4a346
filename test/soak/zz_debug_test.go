package soak

import (
	"fmt"
	"io"
	"regexp"
	"slices"
)

var digits = regexp.MustCompile(`[0-9]+|"[^"]*"|[a-z]+-[a-z0-9]+`)

func (r *record) debug(w io.Writer) {
	per := map[int]map[string]int{}
	why := map[string]int{}
	for _, o := range r.operations {
		b := int(o.back.Seconds()) / 2 * 2
		if per[b] == nil {
			per[b] = map[string]int{}
		}
		per[b][string(o.outcome)]++
		if o.outcome != done {
			why[fmt.Sprintf("%.9s %.160s", o.kind, digits.ReplaceAllString(o.said, "#"))]++
		}
	}
	var ks []int
	for k := range per {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	for _, k := range ks {
		fmt.Fprintln(w, "T", k, per[k])
		for _, e := range r.events {
			if int(e.at.Seconds())/2*2 == k && e.what[:6] != "answer" {
				fmt.Fprintln(w, "      ", e.at, e.what)
			}
		}
	}
	for k, v := range why {
		fmt.Fprintln(w, "WHY", v, k)
	}
}
