package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// rulesAsListed are all rules of the table as the kernel lists them, handles too: what was written anew has others.
func rulesAsListed(t *testing.T, s *socket) []string {
	t.Helper()
	objects, err := s.dumpObjects(ruleObjects, TableName)
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, o := range objects {
		rules = append(rules, fmt.Sprintf("%s %x", o.name, o.body))
	}
	return rules
}

func mustRead(t *testing.T, k programmable) Table {
	t.Helper()
	table, err := k.Read()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// everything is a table with an element in each set that Elements are in.
func everything() Table {
	n := &node{Site: &testnet.Site{
		Client: &testnet.Host{IPv4: netip.MustParseAddr("192.0.2.2"), IPv6: netip.MustParseAddr("2001:db8::2")},
		Node:   &testnet.Host{IPv4: netip.MustParseAddr("192.0.2.1"), IPv6: netip.MustParseAddr("2001:db8::1")},
	}}
	for i := range 3 {
		n.Pods = append(n.Pods, &testnet.Host{IPv4: netip.AddrFrom4([4]byte{10, 244, byte(i), 2}), IPv6: netip.MustParseAddr(fmt.Sprintf("fd00:244:0:%d::2", i))})
	}
	four, six := n.addressing(IPv4), n.addressing(IPv6)
	elements := slices.Concat(everyKind(four), everyKind(six), everyAccess(four), everyAccess(six))
	return NewTable(append(elements, PodInterface("veth*"), PodInterface("cni0"))...)
}

func TestAnInstalledTableIsReadAndNotWrittenAgain(t *testing.T) {
	ns := testnet.New(t)
	k := openKernel(t, ns)
	if have := mustRead(t, k); len(have) > 0 {
		t.Errorf("without a table there is\n%s", have)
	}
	want := everything()
	if err := k.Install(Rules{}, Diff(nil, want)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), mustRead(t, k).String()); diff != "" {
		t.Errorf("what is read (-want +got):\n%s", diff)
	}
	before := rulesAsListed(t, k.socket)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}

	k = openKernel(t, ns)
	if c := Diff(mustRead(t, k), want); !c.Empty() {
		t.Errorf("after its process: %v too much, %v too little", c.Delete, c.Add)
	}
	if err := k.Install(Rules{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, rulesAsListed(t, k.socket)); diff != "" {
		t.Errorf("rules were replaced though they are the same (-before +after):\n%s", diff)
	}
}

func TestEveryElementIsReadWhileTheKernelEnlargesItsTables(t *testing.T) {
	for name, uncounted := range map[string]bool{"it says how many there are": false, "it does not": true} {
		t.Run(name, func(t *testing.T) {
			k := openKernel(t, testnet.New(t))
			k.uncounted = uncounted
			mustRead(t, k)
			want := NewTable(services(5000)...)
			if err := k.Install(Rules{}, Diff(nil, want)); err != nil {
				t.Fatal(err)
			}
			if have := mustRead(t, k); len(have) != len(want) {
				t.Errorf("%d elements of %d", len(have), len(want))
			}
		})
	}
}

// tamperings are what others may have written to the table, where nobody owns it.
var tamperings = []struct {
	name  string
	write func(*batch)
}{
	{"rules are others", func(b *batch) {
		b.flushChain("services4")
		b.flushChain("prerouting")
		b.addRule("prerouting", rule{drop()})
		b.addRule("inside6", rule{returnTo()})
	}},
	{"a chain too much", func(b *batch) {
		b.addChain("theirs", nil)
		b.addSet(&set{name: "theirs", key: []datatype{typePort}}, 1)
		b.addRule("theirs", rule{loadHeader(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, firstRegister), inSet("theirs", firstRegister)})
		b.addRule("departing", rule{jump("theirs")})
		b.addElements("picks", all(entry{key: number(code(3000).word(0)), chain: "theirs"}))
	}},
	{"the table sleeps", func(b *batch) { b.addTable(unix.NFT_TABLE_F_DORMANT) }},
	{"another hook", func(b *batch) {
		b.flushChain("output")
		b.deleteChain("output")
		b.addChain("output", &hook{"nat", hookOutput, -99})
	}},
	{"codes lead elsewhere", func(b *batch) {
		two, _ := fixedCode(Balance(2))
		b.deleteElements("picks", wordKeys([]uint32{two.word(0)}))
		b.addElements("picks", pickEntries(map[code]Action{two: Balance(3), 3000: Refuse()}))
		b.addElements("picks", all(entry{key: number(two.word(1)), chain: Balance(2).String()}))
	}},
	{"elements", func(b *batch) {
		b.flushSet("cluster-ips4")
		b.addElements("cluster-ips4", all(entry{key: []byte{1, 2, 3, 4}}))
	}},
	{"ranges that are no prefixes", func(b *batch) {
		b.flushSet("pods4")
		b.addElements("pods4", all(entry{key: []byte{10, 0, 0, 1}}, entry{key: []byte{10, 0, 0, 4}, closing: true}))
		b.addElements("sources4", all(entry{
			key: []byte{1, 2, 3, 4, 6, 0, 0, 0, 0, 80, 0, 0, 10, 0, 0, 1},
			end: []byte{1, 2, 3, 4, 6, 0, 0, 0, 0, 80, 0, 0, 10, 0, 0, 4},
		}))
	}},
	{"words that mean nothing", func(b *batch) {
		for i, w := range []uint32{code(7).word(5), code(4001).word(5), again, 0} {
			e := ServiceFrontend(netip.MustParseAddr("1.2.3.4"), TCP, uint16(i), Word{})
			key, _ := e.Key.entries()
			key.value = number(w)
			b.addElements("service4", all(key))
		}
	}},
	{"a set of another shape", func(b *batch) {
		for _, c := range wantedChains(Rules{}, newUpgrade(Rules{}, newCodes()).codes) { // some of them refer to it
			b.flushChain(c.name)
		}
		b.deleteSet("masq6")
		b.addSet(&set{name: "masq6", key: []datatype{typePort}}, 1)
		b.addRule("masquerade6", rule{loadMeta(unix.NFT_META_L4PROTO, firstRegister), inSet("masq6", firstRegister)})
	}},
}

func TestWhatOthersHaveWrittenIsPutRight(t *testing.T) {
	ns := testnet.New(t)
	k := openKernel(t, ns)
	ownerless := newBatch(TableName)
	ownerless.addTable(0)
	mustCommit(t, k.socket, ownerless)
	want := everything()
	mustRead(t, k)
	if err := k.Install(Rules{}, Diff(nil, want)); err != nil {
		t.Fatal(err)
	}
	rules, chains := len(rulesAsListed(t, k.socket)), countObjects(t, k.socket, chainObjects)
	theirs := openIn(t, ns)
	for _, c := range tamperings {
		t.Run(c.name, func(t *testing.T) {
			b := newBatch(TableName)
			c.write(b)
			mustCommit(t, theirs, b)
			have := mustRead(t, k)
			if u, err := k.compare(Rules{}); err != nil || Diff(have, want).Empty() && nothingLeft(u) && !sleeps(t, k.socket) {
				t.Errorf("it is not seen, error %v", err)
			}
			if err := k.Install(Rules{}, Diff(have, want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.String(), mustRead(t, k).String()); diff != "" {
				t.Errorf("elements (-want +got):\n%s", diff)
			}
			if got := len(rulesAsListed(t, k.socket)); got != rules {
				t.Errorf("%d rules, want %d", got, rules)
			}
			if got := countObjects(t, k.socket, chainObjects); got != chains {
				t.Errorf("%d chains, want %d", got, chains)
			}
			if u, err := k.compare(Rules{}); err != nil || !nothingLeft(u) || sleeps(t, k.socket) {
				t.Errorf("still to be put right: %+v, error %v", u, err)
			}
		})
	}
}

func sleeps(t *testing.T, s *socket) bool {
	t.Helper()
	tables, err := s.dumpObjects(tableObjects, TableName)
	if err != nil || len(tables) != 1 {
		t.Fatalf("%d tables, error %v", len(tables), err)
	}
	value, _ := find(tables[0].body, unix.NFTA_TABLE_FLAGS)
	var flags uint32
	if err := parseU32(value, &flags); err != nil {
		t.Fatal(err)
	}
	return flags&unix.NFT_TABLE_F_DORMANT != 0
}

func nothingLeft(u *upgrade) bool {
	return len(u.chains)+len(u.rewrite)+len(u.sets)+len(u.picks)+len(u.oddChains)+len(u.oddSets)+len(u.oddPicks)+len(u.flush) == 0
}

func countObjects(t *testing.T, s *socket, kind objectKind) int {
	t.Helper()
	objects, err := s.dumpObjects(kind, TableName)
	if err != nil {
		t.Fatal(err)
	}
	return len(objects)
}

func TestAfterAnErrorTheTableHasToBeReadAgain(t *testing.T) {
	k := openKernel(t, testnet.New(t))
	a := netip.MustParseAddr
	if err := k.Install(Rules{}); !errors.Is(err, ErrDoubt) {
		t.Errorf("Install before Read: %v, want ErrDoubt", err)
	}
	mustRead(t, k)
	if err := k.Install(Rules{}, Change{Add: []Element{ClusterIP(a("10.96.0.1"))}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change Change
		want   string
	}{
		{"an element that is there", Change{Add: []Element{ClusterIP(a("10.96.0.2")), ClusterIP(a("10.96.0.1"))}}, "nf_tables: add element cluster-ips4 10.96.0.1: file exists"},
		{"one that is not", Change{Delete: []Element{ServiceFrontend(a("fd00::1"), TCP, 80, Word{})}}, "nf_tables: delete element service6 fd00::1 . tcp . 80: no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := k.Apply(c.change); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if err := k.Apply(); !errors.Is(err, ErrDoubt) {
				t.Errorf("Apply after that: %v, want ErrDoubt", err)
			}
			if have := mustRead(t, k); len(have) != 1 {
				t.Errorf("the table has\n%s", have)
			}
			if err := k.Apply(Change{Delete: []Element{ClusterIP(a("10.96.0.1"))}, Add: []Element{ClusterIP(a("10.96.0.1"))}}); err != nil {
				t.Errorf("Apply after Read: %v", err)
			}
		})
	}
}

func TestWhileAKernelOwnsTheTableNobodyElseChangesIt(t *testing.T) {
	ns := testnet.New(t)
	k, second := openKernel(t, ns), openKernel(t, ns)
	mustRead(t, k)
	if err := k.Install(Rules{}, Diff(nil, everything())); err != nil {
		t.Fatal(err)
	}
	if flags, _, err := k.flags(); err != nil || flags&tablePersist == 0 {
		t.Skipf("needs Linux 6.9: tables that have an owner and outlive it (flags %x, error %v)", flags, err)
	}
	mustRead(t, second)
	for what, try := range map[string]func() error{
		"claims":   second.Claim,
		"installs": func() error { return second.Install(Rules{}) },
		"removes":  second.Remove,
	} {
		if err := try(); !errors.Is(err, ErrOwned) || second.Owned() {
			t.Errorf("another process %s: %v, want ErrOwned", what, err)
		}
		mustRead(t, second)
	}
	if out, err := nftCommand(t, ns, "flush", "ruleset"); err != nil {
		t.Errorf("nft flush ruleset: %v\n%s", err, out)
	}
	if out, err := nftCommand(t, ns, "flush", "chain", "inet", TableName, "prerouting"); err == nil {
		t.Errorf("nft flush chain succeeds: %s", out)
	}
	if c := Diff(mustRead(t, k), everything()); !c.Empty() {
		t.Errorf("after that: %v too much, %v too little", c.Delete, c.Add)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Claim(); err != nil || !second.Owned() {
		t.Errorf("it is claimed once the owner has gone: %v", err)
	}
	if c := Diff(mustRead(t, second), everything()); !c.Empty() {
		t.Errorf("who claims it finds %v too much, %v too little", c.Delete, c.Add)
	}
	if err := second.Install(Rules{}); err != nil {
		t.Errorf("once the owner has gone: %v", err)
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	ns := testnet.New(t)
	k := openKernel(t, ns)
	if err := k.Remove(); err != nil {
		t.Errorf("where there is nothing: %v", err)
	}
	mustRead(t, k)
	if err := k.Install(Rules{}, Diff(nil, everything())); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	k = openKernel(t, ns) // as a process that only cleans up
	if err := k.Remove(); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]objectKind{"tables": tableObjects, "chains": chainObjects, "sets": setObjects, "rules": ruleObjects} {
		if left := countObjects(t, k.socket, kind); left > 0 {
			t.Errorf("%d %s are left", left, name)
		}
	}
}

func nftCommand(t *testing.T, n *testnet.Namespace, args ...string) (out string, err error) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs the nft command: make system-packages")
	}
	err = n.Do(func() error {
		text, err := exec.CommandContext(t.Context(), "nft", args...).CombinedOutput()
		out = string(text)
		return err
	})
	return out, err
}

func TestTheNFTCommandPrintsTheWholeTable(t *testing.T) {
	ns := testnet.New(t)
	k := openKernel(t, ns)
	for _, rules := range everyRules {
		if err := k.Install(rules, Diff(mustRead(t, k), everything())); err != nil {
			t.Fatal(err)
		}
		wantPrinted(t, ns, wantedChains(rules, k.codes), k.codes.lengths)
	}
}

func wantPrinted(t *testing.T, ns *testnet.Namespace, chains []chain, in lengths) {
	t.Helper()
	out, err := nftCommand(t, ns, "list", "ruleset")
	if err != nil {
		t.Fatalf("nft list ruleset: %v\n%s", err, out)
	}
	lines := strings.Split(strings.ReplaceAll(out, "\n\n", "\n"), "\n")
	for _, c := range chains {
		at := slices.Index(lines, fmt.Sprintf("\tchain %s {", c.name))
		if at < 0 {
			t.Errorf("chain %s is not printed", c.name)
			continue
		}
		want := len(c.rules)
		if c.hook != nil {
			want++
		}
		if got := slices.Index(lines[at:], "\t}") - 1; got != want {
			t.Errorf("chain %s is printed with %d lines, want %d", c.name, got, want)
		}
	}
	for _, id := range setIDs {
		if in.lack(id) {
			continue
		}
		if !strings.Contains(out, fmt.Sprintf("\t%s %s {", map[bool]string{true: "map", false: "set"}[sets[id].data != nil], sets[id].name)) {
			t.Errorf("set %s is not printed", sets[id].name)
		}
	}
	for _, text := range []string{"10.96.0.1 . tcp . 80 : 0x01100001", "10.244.0.0/16", `"veth*"`, "fd00:96::/112", "0x00000001 . 0x00000001 : 10.244.1.2 . 8080", "timeout 1h",
		"tcp . 30080 counter packets 0 bytes 0", `tcp . 31002 . "outside" . 192.0.2.1 : 0x00000001`, "tcp . 31002 . 192.0.2.1 : 0x00000003", "0x00000003 . 10.244.0.0 : 0x00300000",
		"ip saddr & 255.255.0.0", "limit rate over 2/second burst 3 packets"} {
		if !strings.Contains(out, text) {
			t.Errorf("%q is not printed", text)
		}
	}
}
