// Package guard decides who reaches the node ports of this node, whichever proxy serves them, and what the kernel's table
// must hold for that. Everything here is pure: objects in, elements of package nft out.
//
//	compile    who is let in to a port at one place -> content: an entry for each range of sources at whose edge the
//	           decision changes, to be read by the longest match; what has no entry is refused
//	Planner    Services, NodePortAccess, pools, the node -> Change: the least that is to be done in the kernel's table
//
// What the objects mean, package access says. A place is an interface and an address of the node. Most ports have one
// list of sources for all places; where a NodePortAccess is about some, there are others for the pairs that it is about.
//
// A list, an acl, goes by who has a say at its ports and not by what they say. So all ports that the same objects are
// about share one, and a range that comes or goes is an element or two, however many ports it is for.
package guard
