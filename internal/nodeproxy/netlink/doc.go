// Package netlink talks to netfilter, the kernel's packet filter, and to its tables of sockets: sockets, messages and
// attributes, whatever the part of netfilter they are meant for.
package netlink
