package cluster_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/test/cluster"
)

func TestAConfinedProcessHasItsCapabilitiesAndCannotGetMore(t *testing.T) {
	needRoot(t)
	c := start(t, cluster.Options{Nodes: 1, Proxy: cluster.NoProxy})
	var out bytes.Buffer
	cmd := exec.Command("cat", "/proc/self/status", "/proc/self/net/route")
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := c.Nodes()[0].StartConfined(cmd, unix.CAP_NET_ADMIN)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	for _, want := range []string{
		"CapPrm:\t0000000000001000", "CapEff:\t0000000000001000", "CapBnd:\t0000000000001000", "NoNewPrivs:\t1", "Uid:\t0\t",
		"eth0\t", // of the node
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %q:\n%s", p.State(), want, &out)
		}
	}
}
