package tour

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/portolan-dev/portolan/test/cluster"
)

const (
	requestTimeout = 2 * time.Second
	// A node's proxy learns of a Service within moments; a busy machine may take some of these seconds.
	answerTimeout = 30 * time.Second
	answerPoll    = 50 * time.Millisecond
)

// place is where a request comes from.
type place struct {
	name    string
	prefix  string // before a command that is to run there
	address net.IP // nil: of the host, which has many
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

func (g *guide) host() place {
	return place{name: "this host", dial: (&net.Dialer{}).DialContext}
}

func (g *guide) client() place {
	return machine(g.Cluster.Client())
}

func machine(m *cluster.Machine) place {
	return place{name: m.Name, prefix: "ip netns exec " + m.Namespace() + " ", address: m.IP, dial: m.DialContext}
}

// places are all there are: nodes, client, host.
func (g *guide) places() []place {
	var all []place
	for _, n := range g.Cluster.Nodes() {
		all = append(all, machine(n.Machine))
	}
	return append(all, g.client(), g.host())
}

// nodeAddress is the port on the first node.
func (g *guide) nodeAddress(port int32) string {
	return fmt.Sprintf("%s:%d", g.Cluster.Nodes()[0].IP, port)
}

// HTTPClient is the command line program on this machine that fetches a page: curl, or wget where only that is there.
func HTTPClient() string {
	if _, err := exec.LookPath("curl"); err != nil {
		if _, err := exec.LookPath("wget"); err == nil {
			return "wget -qO-"
		}
	}
	return "curl -s"
}

// get asks an address from a place, until it answers with a Pod whose name begins with pod.
func (g *guide) get(from place, address, pod string) (text string, echo cluster.Echo, err error) {
	last := wait.PollUntilContextTimeout(g.ctx, answerPoll, answerTimeout, true, func(ctx context.Context) (bool, error) {
		if text, err = fetch(ctx, from, address); err == nil {
			err = json.Unmarshal([]byte(text), &echo)
		}
		if err == nil && !strings.HasPrefix(echo.Pod, pod) {
			err = fmt.Errorf("pod %q answers, want one of %s", echo.Pod, pod)
		}
		return err == nil, nil
	})
	if err == nil {
		err = last
	}
	if err != nil {
		err = fmt.Errorf("%s, asked from %s: %w", address, from.name, err)
	}
	return text, echo, err
}

func fetch(ctx context.Context, from place, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if !strings.Contains(address, ":") {
		address += ":80"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DialContext: from.dial, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// curl shows a request, which a Pod answers whose name begins with pod.
func (g *guide) curl(from place, address, pod string) {
	if g.err != nil {
		return
	}
	g.Screen.Command(from.prefix + HTTPClient() + " " + address)
	text, _, err := g.get(from, address, pod)
	g.Screen.Output(text)
	if err != nil {
		g.fail("%w", err)
	}
}

// route leads an address to the first node, for the client.
func (g *guide) route(address string) {
	if g.err != nil {
		return
	}
	client, via := g.Cluster.Client(), g.Cluster.Nodes()[0]
	g.Screen.Command(fmt.Sprintf("ip -n %s route add %s via %s", client.Namespace(), address, via.IP))
	if err := client.Route(address+"/32", via); err != nil {
		g.fail("%w", err)
	}
}
