// Package format writes an inventory of node ports as load balancers, firewalls, name servers and tools read it. Everything
// here is pure: the same inventory and options give the same text.
//
// A text says of each line where it comes from, as far as the format has comments. What a consumer cannot have, as HAProxy
// no UDP, is left out, and said.
package format

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

// Format is a way to write an inventory. There is a fixed number of them: see All.
type Format struct {
	// Name is what it is asked for by; Short what it is, in a few words.
	Name, Short string
	// Sources: it says who may reach a port.
	Sources bool
	// Pools: it says which pool a number was taken from.
	Pools bool

	write func(*writer)
}

// All are the formats, in the order in which they are listed.
func All() []Format {
	return []Format{
		{Name: "haproxy", Short: "listen sections for HAProxy", write: writeHAProxy},
		{Name: "nginx", Short: "upstreams and servers for nginx, inside of stream {}", write: writeNginx},
		{Name: "nftables", Short: "a chain of what is let through, for nft -f", Sources: true, write: writeNFTables},
		{Name: "iptables", Short: "the same for iptables-restore and ip6tables-restore --noflush", Sources: true, write: writeIPTables},
		{Name: "dns", Short: "a zone file: A, AAAA and SRV records", write: writeDNS},
		{Name: "csv", Short: "a table, a line for each node port", Sources: true, Pools: true, write: writeCSV},
		{Name: "json", Short: "all that is known, for programs", Sources: true, Pools: true, write: writeJSON},
		{Name: "tfvars", Short: "variables for Terraform and OpenTofu", Sources: true, Pools: true, write: writeTFVars},
		{Name: "prometheus-sd", Short: "targets for Prometheus' file_sd_configs", Pools: true, write: writePrometheusSD},
	}
}

// Named is the format of that name.
func Named(name string) (Format, error) {
	all := All()
	at := slices.IndexFunc(all, func(f Format) bool { return f.Name == name })
	if at < 0 {
		var names []string
		for _, f := range all {
			names = append(names, f.Name)
		}
		return Format{}, fmt.Errorf("there is no format %q: it is one of %s", name, strings.Join(names, ", "))
	}
	return all[at], nil
}

// Listen is at which number a load balancer listens for a port.
type Listen string

const (
	// ListenNodePort is at the node port, which nobody else has.
	ListenNodePort Listen = "node-port"
	// ListenServicePort is at the Service's own port. Of Services that want the same the oldest has it.
	ListenServicePort Listen = "service-port"
)

// Options are what the formats want to know besides the inventory. Each reads what concerns it.
type Options struct {
	// Made says how the text came to be: the command.
	Made string
	// Listen is for load balancers; "" is ListenNodePort.
	Listen Listen
	// Bind are a load balancer's own addresses at which it listens; none: all of IPv4.
	Bind []netip.Addr
	// Table is the table, of the family inet, that the chain of nftables is in; "": filter.
	Table string
	// Zone is the name of the DNS zone, without the dot at its end.
	Zone string
	// NameServers are the zone's. None: the text has no head, and is for another zone file to include.
	NameServers []string
	// TTL is for how long resolvers keep records; zero: 30 seconds.
	TTL time.Duration
	// Previous is the text that this one will replace, and Now the time: for the serial number of a zone.
	Previous []byte
	Now      time.Time
}

// Text is an inventory as a format has it.
type Text struct {
	Bytes []byte
	// Left says of each port that is left out, or had otherwise than was asked for, why.
	Left []string
}

// Write writes an inventory.
func (f Format) Write(inv *inventory.Inventory, o Options) Text {
	w := &writer{format: f, inv: inv, options: o}
	f.write(w)
	return Text{Bytes: []byte(w.text.String()), Left: w.left}
}

// writer is a text in the making.
type writer struct {
	format  Format
	inv     *inventory.Inventory
	options Options
	text    strings.Builder
	left    []string
}

func (w *writer) f(format string, args ...any) { fmt.Fprintf(&w.text, format, args...) }

// head says where the text comes from, in lines that begin with the sign of a comment.
func (w *writer) head(sign string) {
	made := strings.Join(strings.Fields(w.options.Made), " ")
	if made == "" {
		made = "kubectl portolan export " + w.format.Name
	}
	w.f("%s Written by: %s\n%s Changes made here are lost.\n", sign, made, sign)
	if w.inv.Unfit {
		w.f("%s No node is ready and schedulable: all are listed.\n", sign)
	}
}

// leave notes that a port is left out, as a comment and for whoever runs the export.
func (w *writer) leave(sign string, p *inventory.Port, why string) {
	w.f("\n%s %s: %s\n", sign, described(p), why)
	w.left = append(w.left, described(p)+": "+why)
}
