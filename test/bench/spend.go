package main

import (
	"context"
	"fmt"
	"time"
)

// spend adds what goes on while do runs, a second: the CPU time of each server in ms (NAME CPU SERVER), the requests to the
// API server (NAME requests) and those of each kind (NAME request VERB RESOURCE).
func (f figures) spend(ctx context.Context, s *site, name string, of side, do func() error) error {
	requests, err := s.count(ctx)
	if err != nil {
		return err
	}
	before, err := s.servers.now()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := do(); err != nil {
		return err
	}
	seconds := time.Since(began).Seconds()
	after, err := s.servers.now()
	if err != nil {
		return err
	}
	counted, err := s.count(ctx)
	if err != nil {
		return err
	}
	for server, used := range after.since(before) {
		f.add(name+" CPU "+server, of, 1000*used/seconds)
	}
	total := 0.0
	for request, n := range counted.since(requests).requests {
		total += n / seconds
		f.add(name+" request "+request, of, n/seconds)
	}
	f.add(name+" requests", of, total)
	fmt.Fprintf(s.options.log, "  %s, %s: %.1f requests a second, %v s of CPU time in %.0f s\n", name, of, total, after.since(before), seconds)
	return nil
}
