package export

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/portolan-dev/portolan/internal/cli/export/format"
)

// called is what the command prints on the cluster of shop, as `kubectl portolan export` with these arguments.
func called(args ...string) (out string, err error) {
	var text, notes bytes.Buffer
	cmd := New(func(_ context.Context, all bool) (Connection, error) {
		if all {
			return Connection{Client: shop(nil)}, nil
		}
		return Connection{Client: shop(nil), Namespace: "shop"}, nil
	}, &text, &notes)
	cmd.SetArgs(args)
	cmd.SetOut(&notes)
	cmd.SetErr(&notes)
	err = cmd.Execute()
	return text.String(), err
}

func TestTheCommandPrintsEachFormat(t *testing.T) {
	for _, f := range format.All() {
		out, err := called(f.Name, "--zone=ports.example.com.")
		if err != nil || !strings.Contains(out, "30080") {
			t.Errorf("%s: printed %q, error %v", f.Name, out, err)
		}
	}
}

func TestFlagsComeThrough(t *testing.T) {
	for _, test := range []struct {
		args    string
		want    string
		wantNot string
	}{
		{"csv", "30080", "30081"},
		{"csv --all-namespaces", "30081", "30082"},
		{"csv -A --pool team-a", "30080", "30081"},
		{"csv --protocol UDP,sctp", "namespace", "3008"},
		{"csv --selector app=web", "namespace", "3008"},
		{"csv -A --ip-family IPv6", "blog,web,,TCP,80,30081,,Cluster,,,,", "192.0.2.1"},
		{"csv -A --addresses external", "blog,web,,TCP,80,30081,,Cluster,,,,", "192.0.2.1"},
		{"nginx --pool team-a --listen service-port --bind 127.0.0.1,::1", "listen 127.0.0.1:80;\n\tlisten [::1]:80;", "listen 30080"},
		{"nftables --table edge", "table inet edge {", "inet filter"},
		{"dns --zone example.com --ttl 2m --name-server ns1.example.com.", "$TTL 120\n@\tSOA\tns1.example.com. ", ".."},
		{"haproxy -A --pool team-a,b --selector app!=x --output=", "# Written by: kubectl portolan export haproxy --all-namespaces '--selector=app!=x' --pool=team-a,b\n", "[team-a"},
	} {
		t.Run(test.args, func(t *testing.T) {
			out, err := called(strings.Fields(test.args)...)
			if err != nil || !strings.Contains(out, test.want) || strings.Contains(out, test.wantNot) {
				t.Errorf("error %v, want %q and no %q in\n%s", err, test.want, test.wantNot, out)
			}
		})
	}
}

func TestFlagsThatCannotBeReadAreRefusedWithWhatCouldBe(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"f5", `"f5"`},
		{"", "1 arg"},
		{"csv json", "1 arg"},
		{"csv --protocol icmp", "--protocol icmp: it is one of sctp, tcp, udp"},
		{"csv --selector a=b=c", "a=b=c"},
		{"csv --ip-family 6", "--ip-family 6: it is one of ipv4, ipv6"},
		{"csv --addresses any", "--addresses any: it is one of auto, external, internal"},
		{"nginx --listen 80", "--listen 80: it is one of node-port, service-port"},
		{"nginx --bind eth0", "--bind eth0"},
		{"nftables --table a{b", "--table a{b"},
		{"dns --zone a;b", "a;b"},
		{"dns --zone example.com --name-server a_b", "a_b"},
		{"dns --zone example.com --ttl 1ms", "--ttl 1ms"},
	} {
		t.Run(test.args, func(t *testing.T) {
			if out, err := called(strings.Fields(test.args)...); err == nil || !strings.Contains(err.Error(), test.want) || out != "" {
				t.Errorf("printed %q, error %v, want one that says %q", out, err, test.want)
			}
		})
	}
}

// A typo in the name of a pool must not shut a firewall.
func TestAPoolThatNobodyKnowsOfIsRefused(t *testing.T) {
	const want = `there is no pool "nosuch"`
	if out, err := called("nftables", "-A", "--pool=team-a,nosuch"); err == nil || !strings.Contains(err.Error(), want) || out != "" {
		t.Errorf("printed %q, error %v, want %q in it", out, err, want)
	}
}

func TestFlagsAreReadBeforeTheClusterIsAsked(t *testing.T) {
	asked := errors.New("asked")
	cmd := New(func(context.Context, bool) (Connection, error) { return Connection{}, asked }, &bytes.Buffer{}, &bytes.Buffer{})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"csv", "--bind=eth0"})
	if err := cmd.Execute(); err == nil || errors.Is(err, asked) {
		t.Errorf("got %v", err)
	}
}

func TestTheHeadHasTheCommandAsAShellTakesIt(t *testing.T) {
	for word, want := range map[string]string{
		"--pool=team-a,b":      "--pool=team-a,b",
		"--selector=a in (b)":  "'--selector=a in (b)'",
		"--selector=a>1":       "'--selector=a>1'",
		"--selector=it's":      `'--selector=it'\''s'`,
		"--bind=2001:db8::1":   "--bind=2001:db8::1",
		"--selector=$(reboot)": "'--selector=$(reboot)'",
	} {
		if got := quoted(word); got != want {
			t.Errorf("%s is %s, want %s", word, got, want)
		}
	}
}
