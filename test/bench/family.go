package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// family is a process with the commands that it runs.
type family struct{ procfs.Proc }

func familyOf(pid int) (family, error) {
	p, err := procfs.NewProc(pid)
	return family{p}, err
}

// cpu is the CPU seconds of the process so far, with those of the commands that have ended.
func (f family) cpu() (float64, error) {
	stat, err := f.Stat()
	if err != nil {
		return 0, err
	}
	const ticks = 100 // a second, on every Linux that Go runs on; as procfs has it
	return stat.CPUTime() + float64(stat.CUTime+stat.CSTime)/ticks, nil
}

// resident is the process's memory in MB.
func (f family) resident() (float64, error) {
	stat, err := f.Stat()
	return float64(stat.ResidentMemory()) / 1e6, err
}

// residentWithChildren is that, and the memory of the commands that run at present.
func (f family) residentWithChildren() (float64, error) {
	own, err := f.resident()
	if err != nil {
		return 0, err
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		if stat, err := p.Stat(); err == nil && stat.PPID == f.PID { // others may end meanwhile
			own += float64(stat.ResidentMemory()) / 1e6
		}
	}
	return own, nil
}

// usage is what a family has used in some time: CPU time as a share of one core, the process's own memory at the end,
// and the most at any moment, commands included.
type usage struct{ cores, resident, most float64 }

// usage watches the family for so long.
func (f family) usage(ctx context.Context, during time.Duration) (u usage, err error) {
	before, err := f.cpu()
	if err != nil {
		return u, err
	}
	began := time.Now()
	for time.Since(began) < during {
		now, err := f.residentWithChildren()
		if err != nil {
			return u, fmt.Errorf("it has ended: %w", err)
		}
		u.most = max(u.most, now)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return u, context.Cause(ctx)
		}
	}
	after, err := f.cpu()
	if err != nil {
		return u, err
	}
	u.cores = (after - before) / time.Since(began).Seconds()
	u.resident, err = f.resident()
	return u, err
}
