package main

import (
	"fmt"
	"os"

	"github.com/prometheus/procfs"
)

// servers are the processes whose CPU time is counted, by the name a reader knows them by. "load" is this one.
type servers map[string]procfs.Proc

// findServers finds the servers that this process has started.
func findServers() (servers, error) {
	self, err := procfs.Self()
	if err != nil {
		return nil, err
	}
	found := servers{"load": self}
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil || stat.PPID != os.Getpid() {
			continue // it has ended meanwhile, or is not ours
		}
		if name, ok := map[string]string{"etcd": "etcd", "kube-apiserver": "API server"}[stat.Comm]; ok {
			found[name] = p
		}
	}
	if len(found) != 3 {
		return nil, fmt.Errorf("expected an etcd and an API server among the children, found %d", len(found)-1)
	}
	return found, nil
}

// cpu is CPU seconds by server.
type cpu map[string]float64

// now is what each server has used so far.
func (s servers) now() (cpu, error) {
	used := cpu{}
	for name, p := range s {
		stat, err := p.Stat()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		used[name] = stat.CPUTime()
	}
	return used, nil
}

// since is what was used after before.
func (c cpu) since(before cpu) cpu {
	used := cpu{}
	for name := range c {
		used[name] = c[name] - before[name]
	}
	return used
}
