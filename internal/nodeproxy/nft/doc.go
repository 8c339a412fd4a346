// Package nft programs the node's Services into the kernel's nf_tables, over a raw netlink socket. Nothing else in this
// repository speaks netfilter's rules.
package nft
