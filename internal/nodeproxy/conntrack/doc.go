// Package conntrack deletes entries of the kernel's connection tracking that lead where nothing serves any more, and sets
// the kernel's limits of it.
//
// A flow meets the node's table with its first packet alone. For UDP and SCTP the kernel then sends on whatever comes from
// the same client port, for as long as something comes at least every two minutes or so: without an end to the connection,
// and whether or not anybody is there to take it. So a change of endpoints reaches such flows only once their entries are
// gone. TCP connections end with their endpoint; none is touched but by Cut, which ends what somebody else decides on.
//
// What is deleted is decided by an entry's own two ends: where the client sent to, which must be a frontend that Delete was
// told about, address and port, and where it was sent on, which must be none of those that serve the frontend. Everything
// else that shares the port, or the endpoint, stays. Entries of connection-tracking zones other than the default one
// are of whoever made the zone.
package conntrack
