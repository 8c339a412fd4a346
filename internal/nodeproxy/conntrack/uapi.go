package conntrack

// Numbers of the kernel's linux/netfilter/nfnetlink_conntrack.h, which golang.org/x/sys does not have.
const (
	messageGet    = 1 // IPCTNL_MSG_CT_GET
	messageDelete = 2 // IPCTNL_MSG_CT_DELETE
	messageStats  = 5 // IPCTNL_MSG_CT_GET_STATS

	statsEntries = 1 // CTA_STATS_GLOBAL_ENTRIES
	statsLimit   = 2 // CTA_STATS_GLOBAL_MAX_ENTRIES, Linux 4.18

	attributeOriginal = 1  // CTA_TUPLE_ORIG
	attributeReply    = 2  // CTA_TUPLE_REPLY
	attributeID       = 12 // CTA_ID
	attributeZone     = 18 // CTA_ZONE
	attributeFilter   = 25 // CTA_FILTER, Linux 5.8

	tupleAddresses = 1 // CTA_TUPLE_IP
	tupleTransport = 2 // CTA_TUPLE_PROTO
	tupleZone      = 3 // CTA_TUPLE_ZONE

	source4      = 1 // CTA_IP_V4_SRC
	destination4 = 2 // CTA_IP_V4_DST
	source6      = 3 // CTA_IP_V6_SRC
	destination6 = 4 // CTA_IP_V6_DST

	transportProtocol = 1 // CTA_PROTO_NUM
	sourcePort        = 2 // CTA_PROTO_SRC_PORT
	destinationPort   = 3 // CTA_PROTO_DST_PORT

	filterOriginal = 1      // CTA_FILTER_ORIG_FLAGS
	filterProtocol = 1 << 3 // CTA_FILTER_FLAG(CTA_PROTO_NUM)
	filterPort     = 1 << 5 // CTA_FILTER_FLAG(CTA_PROTO_DST_PORT)
)
