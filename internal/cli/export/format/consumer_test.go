package format

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// consumer is a program that reads what is written, in a network namespace of the test's: some would take ports of the
// machine, or change its packet filter.
type consumer struct {
	namespace *testnet.Namespace
	path      string
}

// sbin is where programs are that not everybody's PATH has.
var sbin = []string{"/usr/sbin", "/sbin"}

// newConsumer finds the program. Without it the test is skipped.
func newConsumer(t *testing.T, program string) *consumer {
	t.Helper()
	path, err := exec.LookPath(program)
	for _, dir := range sbin {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, program))
		}
	}
	if err != nil {
		t.Skipf("%s is not installed: see hack/system-packages", program)
	}
	return &consumer{namespace: testnet.New(t), path: path}
}

// run runs the program, which has to end well.
func (c *consumer) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.try(args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", c.path, strings.Join(args, " "), err, out)
	}
	return out
}

func (c *consumer) try(args ...string) (out string, err error) {
	var text bytes.Buffer
	err = c.namespace.Do(func() error {
		cmd := exec.Command(c.path, args...)
		cmd.Stdout, cmd.Stderr = &text, &text
		return cmd.Run()
	})
	return text.String(), err
}

// file is a text as a file.
func file(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// inventories are what every consumer has to take.
func inventories() map[string]*inventory.Inventory {
	return map[string]*inventory.Inventory{"something of everything": world(), "nothing": {}, "a full range": crowd()}
}

// crowd has a port at each number of the range, at twenty nodes; each tenth for one source only.
func crowd() *inventory.Inventory {
	inv := &inventory.Inventory{}
	var addresses []string
	for i := range 20 {
		addresses = append(addresses, fmt.Sprintf("192.0.2.%d", i+1))
		inv.Nodes = append(inv.Nodes, at(fmt.Sprintf("node-%02d", i+1), addresses[i]))
	}
	open, closed := door([]string{"0.0.0.0/0"}, addresses...), door([]string{"10.0.0.0/8"}, addresses...)
	for n := int32(30000); n <= 32767; n++ {
		p := inventory.Port{Namespace: "shop", Service: fmt.Sprint("web-", n), Protocol: corev1.ProtocolTCP, Port: 80, Number: n, Nodes: inv.Nodes, Doors: []inventory.Door{open}}
		if n%10 == 0 {
			p.Doors = []inventory.Door{closed}
		}
		inv.Ports = append(inv.Ports, p)
	}
	return inv
}

// haproxyMain is what the file stands beside; without any listener HAProxy does not start.
const haproxyMain = `
frontend health
	mode http
	timeout client 1s
	bind 127.0.0.1:8404
	monitor-uri /
`

func TestHAProxyTakesIt(t *testing.T) {
	haproxy := newConsumer(t, "haproxy")
	main := file(t, "haproxy.cfg", []byte(haproxyMain))
	for name, inv := range inventories() {
		for listen, o := range map[string]Options{"at node ports": {}, "at service ports": listening} {
			t.Run(name+", "+listen, func(t *testing.T) {
				text := file(t, "portolan.cfg", written(t, "haproxy", inv, o).Bytes)
				if out := haproxy.run(t, "-c", "-f", main, "-f", text); strings.Contains(out, "WARNING") {
					t.Errorf("it takes it, and says:\n%s", out)
				}
			})
		}
	}
	wrong := append(written(t, "haproxy", world(), Options{}).Bytes, "listen a/b\n"...)
	if out, err := haproxy.try("-c", "-f", main, "-f", file(t, "wrong.cfg", wrong)); err == nil {
		t.Errorf("it takes what is wrong, too: %s", out)
	}
}

// nginxMain includes a file in the stream section; nginx -t opens the ports, too.
const nginxMain = `%s
pid %s/pid;
error_log stderr;
events { worker_connections 8192; }
stream { include %s; }
`

func TestNginxTakesIt(t *testing.T) {
	nginx := newConsumer(t, "nginx")
	module := streamModule(t, nginx)
	main := func(text []byte) string {
		return file(t, "nginx.conf", fmt.Appendf(nil, nginxMain, module, t.TempDir(), file(t, "portolan.conf", text)))
	}
	for name, inv := range inventories() {
		for listen, o := range map[string]Options{"at node ports": {}, "at service ports": listening} {
			t.Run(name+", "+listen, func(t *testing.T) {
				nginx.run(t, "-t", "-q", "-c", main(written(t, "nginx", inv, o).Bytes))
			})
		}
	}
	wrong := append(written(t, "nginx", world(), Options{}).Bytes, "upstream a {}\n"...)
	if out, err := nginx.try("-t", "-q", "-c", main(wrong)); err == nil {
		t.Errorf("it takes what is wrong, too: %s", out)
	}
}

// streamModule is what has nginx load its stream module, where that is a file of its own.
func streamModule(t *testing.T, nginx *consumer) string {
	t.Helper()
	if !strings.Contains(nginx.run(t, "-V"), "--with-stream=dynamic") {
		return ""
	}
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(module); err != nil {
		t.Skipf("nginx has no stream module: %v: see hack/system-packages", err)
	}
	return "load_module " + module + ";"
}

func TestNFTablesTakesItAgainAndAgain(t *testing.T) {
	for name, inv := range inventories() {
		t.Run(name, func(t *testing.T) {
			nft := newConsumer(t, "nft")
			text := file(t, "portolan.nft", written(t, "nftables", inv, Options{Table: "edge"}).Bytes)
			nft.run(t, "-c", "-f", text)
			nft.run(t, "-f", text)
			first := nft.run(t, "list", "ruleset")
			nft.run(t, "-f", text)
			if second := nft.run(t, "list", "ruleset"); second != first {
				t.Errorf("loaded once more it is another table: before\n%s\nafter\n%s", first, second)
			}
			for _, p := range inv.Ports {
				if want := fmt.Sprintf("%s . %d", strings.ToLower(string(p.Protocol)), p.Number); len(p.Doors) > 0 && !strings.Contains(first, want) {
					t.Fatalf("%s is not in\n%s", want, first)
				}
			}
		})
	}
}

func TestIPTablesTakesItAgainAndAgain(t *testing.T) {
	for name, inv := range inventories() {
		for _, program := range []string{"iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy"} {
			t.Run(name+", "+program, func(t *testing.T) {
				restore, save := newConsumer(t, program+"-restore"), newConsumer(t, program+"-save")
				save.namespace = restore.namespace
				text := file(t, "portolan.iptables", written(t, "iptables", inv, Options{}).Bytes)
				restore.run(t, "--test", "--noflush", text)
				restore.run(t, "--noflush", text)
				first := rules(save.run(t, "-t", "filter"))
				restore.run(t, "--noflush", text)
				if second := rules(save.run(t, "-t", "filter")); second != first {
					t.Errorf("loaded once more they are other rules: before\n%s\nafter\n%s", first, second)
				}
				wantFamily(t, inv, first, strings.HasPrefix(program, "ip6"))
			})
		}
	}
}

// rules are the rules among what is saved, without the counters and comments around them.
func rules(saved string) string {
	var all []string
	for line := range strings.Lines(saved) {
		if strings.HasPrefix(line, "-A PORTOLAN") {
			all = append(all, line)
		}
	}
	return strings.Join(all, "")
}

// wantFamily wants as many ports as there are with addresses of the family, and jumps to these only.
func wantFamily(t *testing.T, inv *inventory.Inventory, rules string, ipv6 bool) {
	t.Helper()
	want := 0
	count := func(doors []inventory.Door) {
		for _, d := range doors {
			if d.Addresses[0].Is6() == ipv6 {
				want++
			}
		}
	}
	for _, p := range inv.Ports {
		count(p.Doors)
	}
	for _, c := range inv.Checks {
		count(c.Doors)
	}
	if got := strings.Count(rules, "-j ACCEPT"); got != want {
		t.Errorf("got %d ports, want %d:\n%s", got, want, rules)
	}
	if strings.Contains(rules, "2001:db8::1/128") && !ipv6 || strings.Contains(rules, "192.0.2.1/32") && ipv6 {
		t.Errorf("addresses of the other family:\n%s", rules)
	}
}

// srv is a record of a zone that named-checkzone has printed.
var srv = regexp.MustCompile(`\sIN\s+SRV\s`)

func TestNameServersTakeIt(t *testing.T) {
	for name, inv := range inventories() {
		t.Run(name, func(t *testing.T) {
			bind := newConsumer(t, "named-checkzone")
			o := worlds()["dns"]
			text := written(t, "dns", inv, o).Bytes
			out := bind.run(t, "-i", "full", "-k", "fail", "-n", "fail", "-m", "fail", "-S", "fail", "-D", o.Zone, file(t, "zone", text))
			if strings.Contains(out, "has no address records") || strings.Contains(out, "ignoring") {
				t.Errorf("it takes it, and says:\n%s", out)
			}
			if got, want := len(srv.FindAllString(out, -1)), strings.Count(string(text), "\tSRV\t"); got != want {
				t.Errorf("it has %d SRV records, want %d:\n%s", got, want, out)
			}
			if out, err := bind.try(o.Zone, file(t, "zone", append(text, "under_score A none\n"...))); err == nil {
				t.Errorf("it takes what is wrong: %s", out)
			}
		})
	}
}
