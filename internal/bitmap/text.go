package bitmap

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Text writes the taken numbers, ascending: "30007-30008,30721". It is "" for none, and never longer than four times the
// size of the range and four more: runs of two numbers take the most.
func (s *Set) Text() string {
	var text []byte
	for i := s.nextTaken(0); i < s.size; {
		end := s.nextFree(i)
		if text != nil {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(s.number(i)), 10)
		if end > i+1 {
			text = append(text, '-')
			text = strconv.AppendInt(text, int64(s.number(end-1)), 10)
		}
		i = s.nextTaken(end)
	}
	return string(text)
}

// Parse reads what Text writes, for numbers of 1 to 65535. The set's range is just as wide as the text needs: so it has
// no free number at its ends. "" is the empty range.
func Parse(text string) (*Set, error) {
	if text == "" {
		return &Set{}, nil
	}
	var runs [][2]int32
	last := int32(0)
	for part := range strings.SplitSeq(text, ",") {
		from, to, err := parseRun(part)
		if err == nil && from <= last {
			err = errors.New("it is not above the one before")
		}
		if err != nil {
			return nil, fmt.Errorf("numbers %q: %w", part, err)
		}
		runs = append(runs, [2]int32{from, to})
		last = to
	}
	s := New(runs[0][0], last)
	for _, r := range runs {
		s.TakeRun(r[0], r[1])
	}
	return s, nil
}

// parseRun reads "30007" or "30007-30008".
func parseRun(text string) (from, to int32, err error) {
	first, second, isRun := strings.Cut(text, "-")
	if from, err = parseNumber(first); err != nil || !isRun {
		return from, from, err
	}
	if to, err = parseNumber(second); err == nil && to < from {
		err = errors.New("it ends before it begins")
	}
	return from, to, err
}

func parseNumber(text string) (int32, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port number", text)
	}
	return int32(n), nil
}
