package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// planted is what govulncheck says of cmd/kubectl-portolan where two entries are planted in the database: GO-2026-9001 of
// a function that it calls, GO-2026-9002 of one that it does not.
func planted(t *testing.T) report {
	t.Helper()
	text, err := os.Open("testdata/planted.json")
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	found := report{}
	if err := found.read(json.NewDecoder(text)); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAVulnerabilityThatIsCalledIsToBeMendedOrAccepted(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	later, earlier := now.AddDate(0, 1, 0), now.AddDate(0, 0, -1)
	for _, c := range []struct {
		name     string
		found    report
		accepted map[string]acceptance
		newer    string   // an entry that the database does not have yet
		want     []string // what is said; nothing if all is well
	}{
		{name: "nothing is found", found: report{}},
		{name: "one is called", found: planted(t), want: []string{
			"GO-2026-9001: planted and called (github.com/spf13/cobra@v1.10.2, v9.0.0 mends it)", "https://pkg.go.dev/vuln/GO-2026-9001",
			"internal/cli/root/root.go:41: github.com/portolan-dev/portolan/internal/cli/root.Run leads to github.com/spf13/cobra.Command.ExecuteC"}},
		{name: "one is called and accepted", found: planted(t), accepted: map[string]acceptance{"GO-2026-9001": {"why", later}}},
		{name: "it was accepted until yesterday", found: planted(t), accepted: map[string]acceptance{"GO-2026-9001": {"why", earlier}},
			want: []string{"GO-2026-9001 was accepted until 2026-11-20"}},
		{name: "one is accepted that nothing calls", found: planted(t), accepted: map[string]acceptance{"GO-2026-9001": {"why", later}, "GO-2026-9002": {"why", later}},
			want: []string{"GO-2026-9002 is accepted, and nothing calls it"}},
		{name: "one is accepted that is not found", found: report{}, accepted: map[string]acceptance{"GO-2026-9001": {"why", later}},
			want: []string{"GO-2026-9001 is accepted, and nothing calls it"}},
		{name: "one is accepted that is newer than the snapshot", found: planted(t), newer: "GO-2026-9003",
			accepted: map[string]acceptance{"GO-2026-9001": {"why", later}, "GO-2026-9003": {"why", later}}},
		{name: "one was accepted that is newer than the snapshot", found: report{}, newer: "GO-2026-9003",
			accepted: map[string]acceptance{"GO-2026-9003": {"why", earlier}}, want: []string{"GO-2026-9003 was accepted until 2026-11-20"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.found.judge(c.accepted, func(id string) bool { return id != c.newer }, now)
			if (err != nil) != (c.want != nil) {
				t.Fatalf("it says %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("it says\n%v\nwithout %q", err, want)
				}
			}
			if err != nil && !strings.Contains(strings.Join(c.want, ""), "GO-2026-9002") && strings.Contains(err.Error(), "GO-2026-9002") {
				t.Errorf("it says\n%v\nof one that is not called", err)
			}
		})
	}
}

func TestWhatNothingCallsIsNamedOnly(t *testing.T) {
	lines := planted(t).uncalled()
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "GO-2026-9002: planted and not called (") {
		t.Errorf("it names %q", lines)
	}
}

func TestWhatGovulncheckSaysByHalfIsAnError(t *testing.T) {
	if err := (report{}).read(json.NewDecoder(strings.NewReader(`{"finding": {"osv": "GO-`))); err == nil {
		t.Error("there is no error")
	}
}

func TestAnAcceptanceNamesItsReasonAndItsEnd(t *testing.T) {
	for text, well := range map[string]bool{
		`[]`: true,
		`[{"id": "GO-2026-9001", "reason": "why", "until": "2027-01-31"}]`: true,
		`[{"id": "GO-2026-9001", "until": "2027-01-31"}]`:                  false,
		`[{"reason": "why", "until": "2027-01-31"}]`:                       false,
		`[{"id": "GO-2026-9001", "reason": "why"}]`:                        false,
		`[{"id": "GO-2026-9001", "why": "", "until": "2027-01-31"}]`:       false,
	} {
		if _, err := parseAccepted([]byte(text)); (err == nil) != well {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := readAccepted("accepted.json"); err != nil {
		t.Error(err)
	}
}
