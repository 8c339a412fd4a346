package nft

// Numbers of the kernel's headers that golang.org/x/sys does not have.
const (
	tableOwner   = 0x2 // NFT_TABLE_F_OWNER, Linux 5.12
	tablePersist = 0x4 // NFT_TABLE_F_PERSIST, Linux 6.9

	setConcatenated = 0x80 // NFT_SET_CONCAT
	setDescConcat   = 2    // NFTA_SET_DESC_CONCAT
	setFieldLength  = 1    // NFTA_SET_FIELD_LEN
	setExpression   = 17   // NFTA_SET_EXPR
	setCount        = 20   // NFTA_SET_COUNT, Linux 6.17
	elementKeyEnd   = 10   // NFTA_SET_ELEM_KEY_END
	dynsetDelete    = 2    // NFT_DYNSET_OP_DELETE

	dropPacket   = 0 // NF_DROP
	acceptPacket = 1 // NF_ACCEPT

	hookPrerouting  = 0 // NF_INET_PRE_ROUTING
	hookOutput      = 3 // NF_INET_LOCAL_OUT
	hookPostrouting = 4 // NF_INET_POST_ROUTING

	statusTranslated = 0x20 // IPS_DST_NAT, of NFT_CT_STATUS
	setByteOrderKey  = 0    // NFTNL_UDATA_SET_KEYBYTEORDER, of libnftnl
	setByteOrderData = 1    // NFTNL_UDATA_SET_DATABYTEORDER
)
