package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// report makes the rows of what was measured.
func (a *admission) report() measured {
	var rows []row
	for _, workers := range a.options.workers {
		rows = append(rows, a.creates(workers)...)
	}
	for _, change := range []struct{ name, text string }{
		{"label", "label changes"}, {"port", "ports added"}, {"refusal", "refusals of a taken number"},
	} {
		rows = append(rows,
			a.row(change.text+"/s, 8 workers", "1/s", change.name+" rate"),
			a.row(change.text+", p50, 8 workers", "ms", change.name+" p50"))
	}
	rows = append(rows, a.cpu(create(8))...)
	rows = append(rows,
		a.alone("all bound after the last creation, 8 workers", "s", create(8)+" bound after"),
		a.alone("all free after the last deletion, 8 workers", "s", create(8)+" free after"),
		row{Name: "requests let through unanswered", Value: sum(a.figures["unanswered"][portolan])})
	return measured{Rows: rows, Notes: a.notes()}
}

func (a *admission) creates(workers int) []row {
	at := ", " + workersText(workers)
	name := create(workers)
	return []row{
		a.row("creates/s"+at, "1/s", name+" rate"),
		a.row("p50"+at, "ms", name+" p50"),
		a.row("p99"+at, "ms", name+" p99"),
		a.added("added p50"+at, name+" p50"),
		a.added("added p99"+at, name+" p99"),
		a.row("deletes/s"+at, "1/s", name+" delete rate"),
	}
}

func workersText(workers int) string {
	if workers == 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers", workers)
}

func (a *admission) row(title, unit, name string) row {
	return compared(title, unit, string(native), a.figures[name][portolan], a.figures[name][native])
}

// added compares what Portolan adds to a native latency with a bare claim's.
func (a *admission) added(title, name string) row {
	of := a.figures[name]
	return compared(title, "ms", string(bare), minus(of[portolan], of[native]), of[bare])
}

// alone is a row without a peer.
func (a *admission) alone(title, unit, name string) row {
	return row{Name: title, Unit: unit, Value: median(a.figures[name][portolan])}
}

// cpu are the CPU milliseconds of each server for one creation, all that follows from it included.
func (a *admission) cpu(name string) []row {
	total := series{}
	var rows []row
	for _, server := range []string{"API server", "etcd", "manager", "load"} {
		of := a.figures[name+" CPU "+server]
		for s, values := range of {
			total[s] = plus(total[s], values)
		}
		title := "CPU a creation, " + server + ", 8 workers"
		if len(of[native]) == 0 {
			rows = append(rows, a.alone(title, "ms", name+" CPU "+server))
			continue
		}
		rows = append(rows, a.row(title, "ms", name+" CPU "+server))
	}
	return append(rows, compared("CPU a creation, all, 8 workers", "ms", string(native), total[portolan], total[native]))
}

// plus adds round by round.
func plus(a, b []float64) []float64 {
	if a == nil {
		return slices.Clone(b)
	}
	for i := range min(len(a), len(b)) {
		a[i] += b[i]
	}
	return a
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

func (a *admission) notes() []string {
	return []string{
		fmt.Sprintf("Node port range %d-%d: %d creations a round and number of workers.", a.numbers.From, a.numbers.To, a.size()),
		fmt.Sprintf("The API server called the webhooks %.0f times with Portolan, %.0f times without.",
			sum(a.figures["calls"][portolan]), sum(a.figures["calls"][native])),
		"One API server, one etcd (with --unsafe-no-fsync, on both sides), one manager and the load share the cores.",
		"Requests that the API server was sent for each creation by 8 workers, with Portolan: " + a.requestsText(create(8)) + ".",
	}
}

func (a *admission) requestsText(name string) string {
	var texts []string
	prefix := name + " request "
	for _, figure := range slices.Sorted(maps.Keys(a.figures)) {
		if request, ok := strings.CutPrefix(figure, prefix); ok && a.figures[figure][portolan] != nil {
			texts = append(texts, fmt.Sprintf("%.1f %s", median(a.figures[figure][portolan]), request))
		}
	}
	return strings.Join(texts, ", ")
}
