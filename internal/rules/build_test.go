package rules

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

var (
	start        = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	clusterRange = v1alpha1.PortRange{From: 30000, To: 32767}
)

// testPool is a pool under construction, as the API server would store it. Each method changes and returns it.
type testPool struct{ v1alpha1.NodePortPool }

// makePool starts a pool of the ranges ("30100-30199,30500") for every namespace.
func makePool(name, ranges string) *testPool {
	p := &testPool{}
	p.Name = name
	p.CreationTimestamp = metav1.NewTime(start)
	p.Spec = v1alpha1.NodePortPoolSpec{
		Ranges: parse(ranges), Allocation: v1alpha1.AllocationAutomatic, Strategy: v1alpha1.StrategyRandom,
		HoldSeconds: new(int32(600)), Enforcement: v1alpha1.EnforcementEnforce, MaxPortsPerService: 32,
	}
	return p
}

func parse(ranges string) Ranges {
	var parsed Ranges
	for text := range strings.SplitSeq(ranges, ",") {
		if text == "" {
			continue
		}
		r, err := ParseRange(text)
		if err != nil {
			panic(err)
		}
		parsed = append(parsed, r)
	}
	return parsed
}

// For selects the namespaces of a team.
func (p *testPool) For(team string) *testPool {
	p.Spec.NamespaceSelector = metav1.LabelSelector{MatchLabels: map[string]string{"team": team}}
	return p
}

// Age makes it older than others, in hours.
func (p *testPool) Age(hours int) *testPool {
	p.CreationTimestamp = metav1.NewTime(start.Add(-time.Duration(hours) * time.Hour))
	return p
}

func (p *testPool) Priority(n int32) *testPool {
	p.Spec.Priority = n
	return p
}

func (p *testPool) Allocation(mode v1alpha1.AllocationMode) *testPool {
	p.Spec.Allocation = mode
	return p
}

func (p *testPool) Warn() *testPool {
	p.Spec.Enforcement = v1alpha1.EnforcementWarn
	return p
}

func (p *testPool) MaxPortsPerNamespace(n int32) *testPool {
	p.Spec.MaxPortsPerNamespace = &n
	return p
}

func (p *testPool) MaxPortsPerService(n int32) *testPool {
	p.Spec.MaxPortsPerService = n
	return p
}

func chartOf(pools ...*testPool) *Chart {
	var all []v1alpha1.NodePortPool
	for _, p := range pools {
		all = append(all, p.NodePortPool)
	}
	return NewChart(clusterRange, all)
}

// ask is a question about a Service in a namespace of team a.
func ask(svc, old *corev1.Service) Question {
	return Question{Service: svc, Old: old, Namespace: svc.Namespace, NamespaceLabels: map[string]string{"team": "a"}, Now: start}
}

// outcome is an answer as tables show it.
type outcome struct {
	Errors   []string
	Warnings []string
	New      []string // "Traffic 30100", "Traffic ?"
	Pools    []string
}

func shown(a Answer) outcome {
	o := outcome{Warnings: a.Warnings}
	for _, err := range a.Errors {
		o.Errors = append(o.Errors, err.Error())
	}
	for _, r := range a.New {
		number := "?"
		if r.NodePort != 0 {
			number = strconv.Itoa(int(r.NodePort))
		}
		o.New = append(o.New, string(r.Role)+" "+number)
	}
	for _, p := range a.Pools {
		o.Pools = append(o.Pools, nameOf(p))
	}
	return o
}

func nameOf(p *Pool) string {
	switch {
	case p == nil:
		return "nobody"
	case p.Commons():
		return "commons"
	}
	return p.Name
}
