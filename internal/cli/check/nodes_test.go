package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/knock"
)

// fakeRunner are nodes, by what node-proxy knock does there.
type fakeRunner map[string]func(doors []knock.Door) ([]knock.Answer, error)

func (r fakeRunner) Nodes(context.Context) (map[string]string, error) {
	pods := map[string]string{}
	for node := range r {
		pods[node] = "pod-of-" + node
	}
	return pods, nil
}

func (r fakeRunner) Run(_ context.Context, pod string, input []byte, _ ...string) ([]byte, error) {
	doors, err := knock.ParseDoors(bytes.NewReader(input))
	if err != nil {
		return nil, err
	}
	answers, err := r[strings.TrimPrefix(pod, "pod-of-")](doors)
	text, _ := json.Marshal(answers)
	return text, err
}

func well(doors []knock.Door) ([]knock.Answer, error) {
	var answers []knock.Answer
	for _, door := range doors {
		answers = append(answers, knock.Answer{Door: door, Outcome: knock.OK, Took: time.Millisecond})
	}
	return answers, nil
}

func TestANodeThatCannotBeAskedIsNamedAndTheOthersAreAskedAllTheSame(t *testing.T) {
	p := twoNodes().Picture()
	nodes := fakeRunner{
		"node-1": well,
		"node-2": func([]knock.Door) ([]knock.Answer, error) { return nil, errors.New("container not found") },
		"node-3": func([]knock.Door) ([]knock.Answer, error) { return []knock.Answer{}, nil },
	}
	all, err := from(t.Context(), nodes, []string{"node-1", "node-4"}, Doors(p, &p.Services[0], How{}), time.Second, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := Judge(p, "shop", "web", all)
	if r.Well() || r.Verdict != "answers everywhere: 2 of 2 attempts, and nothing could be tried from node-2, node-3, node-4" {
		t.Errorf("well: %t, the verdict is %q", r.Well(), r.Verdict)
	}
	want := `
  node-2: nothing was tried from there: node-proxy knock did not run in its Pod: container not found.
    $ kubectl describe npns node-2
    $ kubectl -n portolan-node get pods -o wide --field-selector spec.nodeName=node-2
  node-3: nothing was tried from there: node-proxy knock gave 0 answers to 2 questions: its node-proxy may be of another version.
    $ kubectl describe npns node-3
    $ kubectl -n portolan-node get pods -o wide --field-selector spec.nodeName=node-3
  node-4: nothing was tried from there: no Pod of node-proxy runs there.
    $ kubectl describe npns node-4
    $ kubectl -n portolan-node get pods -o wide --field-selector spec.nodeName=node-4
`
	if diff := cmp.Diff(want, missesText(r.NotTried, term.Screen{Width: 200})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhereNoNodeHasNodeProxyNothingCanBeTriedFromNodes(t *testing.T) {
	p := twoNodes().Picture()
	if all, err := from(t.Context(), fakeRunner{}, nil, Doors(p, &p.Services[0], How{}), time.Second, 1); err == nil {
		t.Errorf("got %v", all)
	}
}

func TestManyNodesAreAskedAndTheirAnswersAreInTheOrderOfTheirNames(t *testing.T) {
	p := twoNodes().Picture()
	nodes := fakeRunner{}
	var want []string
	for letter := 'a'; letter <= 'z'; letter++ {
		nodes[string(letter)] = well
		want = append(want, string(letter))
	}
	all, err := from(t.Context(), nodes, nil, Doors(p, &p.Services[0], How{}), time.Second, 1)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range all {
		if len(k.Answers) == 2 {
			got = append(got, k.From)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
