package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
)

// machine is what figures depend on.
type machine struct {
	Cores    int    `json:"cores"`
	MemoryGB int    `json:"memoryGB"`
	Kernel   string `json:"kernel"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Load is the load average of the minute before: far from 0, somebody else was at work.
	Load string `json:"loadBefore"`
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores, %d GB, Linux %s, %s %s, load average before: %s", m.Cores, m.MemoryGB, m.Kernel, m.Go, m.Platform, m.Load)
}

var (
	memTotal = regexp.MustCompile(`MemTotal:\s+(\d+) kB`)
	// kernelVersion leaves out what a builder of kernels appends.
	kernelVersion = regexp.MustCompile(`^\d+\.\d+(\.\d+)?`)
)

func describeMachine() (machine, error) {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, err
	}
	m.Kernel = kernelVersion.FindString(string(release))
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, err
	}
	if found := memTotal.FindSubmatch(memory); found != nil {
		var kB int
		_, _ = fmt.Sscan(string(found[1]), &kB) // digits, by the expression
		m.MemoryGB = (kB + 1<<19) >> 20
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return m, err
	}
	m.Load = strings.Fields(string(load))[0]
	return m, nil
}
