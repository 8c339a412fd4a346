package tour

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// backend is a node port, and how the names of the Pods begin that answer on it.
type backend struct {
	port int32
	pod  string
}

// widestTable is how many nodes fit on a line.
const widestTable = 4

// everyNodeAnswers asks every node on each port from every place, and shows who got an answer:
//
//	from         node-1   node-2   node-3
//	node-1       31000    31000    31000
//	this host    31000    31000    31000
func (g *guide) everyNodeAnswers(backends ...backend) {
	if !g.askedFromEveryPlace(func(from place) error { return g.askAll(from, backends) }) {
		return
	}
	places, nodes := g.places(), g.Cluster.Nodes()
	if len(nodes) > widestTable {
		g.say(fmt.Sprintf("All %d nodes answer, to each of %d places.", len(nodes), len(places)))
		return
	}
	g.Screen.Say(answerTable(places, len(nodes), backends))
}

// askedFromEveryPlace asks from all places at once, and says whether everything is as it should be.
func (g *guide) askedFromEveryPlace(ask func(from place) error) bool {
	if g.err != nil {
		return false
	}
	places := g.places()
	errs := make([]error, len(places))
	g.Screen.During("asking every node from every place", func() {
		var wg sync.WaitGroup
		for i, from := range places {
			wg.Go(func() { errs[i] = ask(from) })
		}
		wg.Wait()
	})
	for _, err := range errs {
		if err != nil {
			g.fail("%w", err)
			return false
		}
	}
	return true
}

func (g *guide) askAll(from place, backends []backend) error {
	for _, n := range g.Cluster.Nodes() {
		for _, b := range backends {
			if _, _, err := g.get(from, fmt.Sprintf("%s:%d", n.IP, b.port), b.pod); err != nil {
				return err
			}
		}
	}
	return nil
}

// answerTable is for when all have answered.
func answerTable(places []place, nodes int, backends []backend) string {
	var ports []string
	for _, b := range backends {
		ports = append(ports, fmt.Sprint(b.port))
	}
	return table(places, nodes, func(place, int) string { return strings.Join(ports, " ") })
}

// table has a line for each place and a column for each node.
func table(places []place, nodes int, cell func(from place, node int) string) string {
	width := len("to node-1")
	for _, from := range places {
		for node := range nodes {
			width = max(width, len(cell(from, node)))
		}
	}
	var lines []string
	row := func(first string, cell func(node int) string) {
		cells := []string{fmt.Sprintf("%-14s", first)}
		for node := range nodes {
			cells = append(cells, fmt.Sprintf("%-*s", width+3, cell(node)))
		}
		lines = append(lines, strings.TrimRight(strings.Join(cells, ""), " "))
	}
	row("FROM", func(node int) string { return fmt.Sprintf("TO NODE-%d", node+1) })
	for _, from := range places {
		row(from.name, func(node int) string { return cell(from, node) })
	}
	return strings.Join(lines, "\n")
}

// turns is how many requests are shown; turnTries is how often they are made until not all of them met the same Pod,
// which with three Pods happens to one series in 243.
const (
	turns     = 6
	turnTries = 5
)

// shareRequests shows that an address is answered by several Pods.
func (g *guide) shareRequests(address, pod string) {
	if g.err != nil {
		return
	}
	g.Screen.Command(fmt.Sprintf(`for i in 1 2 3 4 5 6; do %s %s | cut -d'"' -f4; done`, HTTPClient(), address))
	var names []string
	for range turnTries {
		names = nil
		for range turns {
			_, echo, err := g.get(g.host(), address, pod)
			if err != nil {
				g.fail("%w", err)
				return
			}
			names = append(names, echo.Pod)
		}
		if len(slices.Compact(slices.Clone(names))) > 1 {
			break
		}
	}
	g.Screen.Output(strings.Join(names, "\n"))
	if len(slices.Compact(slices.Clone(names))) == 1 {
		g.fail("%d requests to %s were all answered by %s", turns*turnTries, address, names[0])
	}
}
