// Package nft programs a node's Services into the kernel's nf_tables, over a raw netlink socket and without the nft
// command. Nothing else in this repository speaks nf_tables.
//
// # What is in the kernel
//
// One table, "portolan", whose chains and sets are constant: Services, endpoints, clients and sources are elements of maps,
// and nothing but elements grows with them. So a change costs what it changes, be there ten Services or a hundred thousand.
//
// A map has for a frontend a word of 32 bits: a code, which says what to do, and the number of a list of endpoints. The
// packet takes the word with it, and goes to the chain of the code. There is one for each number of endpoints: "pick-3"
// draws one of three slots of the list, whichever list that is, and "stick-3-10800" does so for clients that it has not
// seen for three hours.
//
//	set or map (each but those marked * for IPv4 and IPv6)    key                              data
//	uses*                    ports of the node that somebody  protocol . port
//	                         has, with counters
//	ports                    ports that are guarded           protocol . port                  ACL
//	scoped, addressed        the same at single places        protocol . port [. interface]    ACL
//	                                                          . address
//	acl-32, acl-24 ...       what an ACL grants: a map for    ACL . source                     word
//	                         each length of prefixes in use
//	rate                     sources with a limit, added by   word . protocol . port . source
//	                         packets
//	restricted, sources      who may send to a frontend       frontend; frontend . source
//	service, nodeport        frontends                        address . protocol . port;       word
//	                                                          protocol . port
//	short, shortport         frontends, as pods and the node  the same                         word
//	                         itself see them
//	nodeport-ips             addresses that have node ports   address
//	cluster-ips              cluster IPs in use               address
//	service-cidrs            all cluster IPs                  range
//	pods, pod-interfaces*    what comes from pods             range; interface
//	endpoints                endpoints                        list . slot                      address . port
//	slots*                   endpoints' numbers, where        list . slot                      number
//	                         clients stick
//	affinity                 clients, added by packets        source . frontend                number
//	picks*                   chains                           code                             goto
//	masq, masq-ports         who is masqueraded               frontend
//	hairpin                  an endpoint and itself           endpoint . endpoint
//
// # What becomes of a packet
//
// All hooks are of type nat: they see the first packet of a flow, and never another one. The first of them is the guard's,
// which says who may reach the node's ports, whoever serves them: see guard.go. Then comes
//
//	prerouting ── arriving ──┬── from a pod: shortcuts ──┬── services ──┬── pick-N, stick-N-T ──> dnat
//	output ───── departing ──┴── always:     shortcuts ──┘              ├── refuse, discard
//	                                                                    └── no frontend: cluster IP: refuse;
//	                                                                        else it passes
//	unallocated (what nobody dnatted) ── to a cluster IP: drop
//	postrouting (what was dnatted) ── masquerade ── inside (what was sent to a cluster IP)
//
// Other tables may have Services of their own, whose cluster IPs are in the same ranges. "prerouting" and "output" come
// one before the usual priority, so that what is ours is ours, whoever was started last; they leave the rest alone.
// "unallocated" sees what is left of that when the packet leaves: had anybody translated it, or taken it on the node, it
// would not come there. It comes one before the usual priority of masquerading, after which no chain of type nat would
// see the packet.
//
// Some things are as Rules say, which no Service changes: whom "inside" masquerades, whether "departing" first has
// "localhost" redirect what goes over TCP to a node port at a loopback address, to a listener of the node, which numbers
// the guard closes, and whether there is anything but the guard.
//
// A packet that meets a change between two lookups begins anew: see "again" in chains.go.
//
// It takes Linux 5.9, which refuses in prerouting. What later kernels have beyond that is used where it is there.
//
// # How to use it
//
// Constructors such as ServiceFrontend make Elements; a Table is a set of them, and Diff compares two. What a table does
// to a packet with given Rules, Trace says without a kernel. Kernel brings the difference into the kernel.
package nft
