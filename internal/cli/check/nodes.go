package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/portolan-dev/portolan/internal/knock"
)

const (
	// atOnce is from how many nodes it is tried at a time.
	atOnce = 8
	// patience is how long a node may take besides its attempts: to be reached, and to run a program.
	patience = 20 * time.Second
)

// runner runs a command in a node's node-proxy Pod: it is in the node's own network.
type runner interface {
	// Nodes are those on which it can, with the Pod of each.
	Nodes(ctx context.Context) (map[string]string, error)
	// Run runs the command with an input, and returns what it prints.
	Run(ctx context.Context, pod string, input []byte, command ...string) ([]byte, error)
}

// from knocks at all doors from every node that has a node-proxy, and says of those where it should have been asked, and was
// not, why. Reporting are the nodes whose node-proxies have told of themselves.
func from(ctx context.Context, r runner, reporting []string, doors []Door, timeout time.Duration, parallel int) ([]Knocked, error) {
	pods, err := r.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, errors.New("--from-nodes: no Pod of node-proxy runs in namespace " + nodeNamespace + ": leave it out to connect from here alone")
	}
	nodes := slices.AppendSeq(slices.Clone(reporting), maps.Keys(pods))
	slices.Sort(nodes)
	nodes = slices.Compact(nodes)
	all := make([]Knocked, len(nodes))
	slots := make(chan struct{}, atOnce)
	var asking sync.WaitGroup
	for i, node := range nodes {
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			all[i] = fromNode(ctx, r, node, pods[node], doors, timeout, parallel)
		})
	}
	asking.Wait()
	return all, ctx.Err()
}

// fromNode knocks from a node whose Pod this is; empty: it has none.
func fromNode(ctx context.Context, r runner, node, pod string, doors []Door, timeout time.Duration, parallel int) Knocked {
	if pod == "" {
		return Knocked{From: node, Missed: Cause{Says: "no Pod of node-proxy runs there", Commands: nodeProxyOf(node)}}
	}
	rounds := (len(doors) + parallel - 1) / parallel
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rounds)*timeout+patience)
	defer cancel()
	answers, err := ask(ctx, r, pod, plain(doors), timeout, parallel)
	if err != nil {
		return Knocked{From: node, Missed: Cause{Says: err.Error(), Commands: nodeProxyOf(node)}}
	}
	return Knocked{From: node, Doors: doors, Answers: answers}
}

// ask runs node-proxy knock in a Pod.
func ask(ctx context.Context, r runner, pod string, doors []knock.Door, timeout time.Duration, parallel int) ([]knock.Answer, error) {
	input, err := json.Marshal(doors)
	if err != nil {
		return nil, err
	}
	out, err := r.Run(ctx, pod, input, "node-proxy", "knock", "--timeout="+timeout.String(), fmt.Sprintf("--parallel=%d", parallel))
	if err != nil {
		return nil, fmt.Errorf("node-proxy knock did not run in its Pod: %w", err)
	}
	var answers []knock.Answer
	if err := json.Unmarshal(out, &answers); err != nil {
		return nil, fmt.Errorf("what node-proxy knock said is not understood, its node-proxy may be of another version: %w", err)
	}
	if len(answers) != len(doors) {
		return nil, fmt.Errorf("node-proxy knock gave %d answers to %d questions: its node-proxy may be of another version", len(answers), len(doors))
	}
	return answers, nil
}
