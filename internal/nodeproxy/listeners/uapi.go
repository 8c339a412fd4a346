package listeners

// Of the kernel's linux/sock_diag.h, linux/inet_diag.h and net/tcp_states.h, which golang.org/x/sys does not have.
const (
	socksByFamily = 20 // SOCK_DIAG_BY_FAMILY

	// struct inet_diag_req_v2: family, protocol, two bytes, states, and a socket's ends, which are all zero here.
	requestSize = 56

	// struct inet_diag_msg, as far as it matters.
	answerSize = 72
	familyAt   = 0
	portAt     = 4 // in the network's byte order
	addressAt  = 8
	inodeAt    = 68

	attributeBytecode = 1 // INET_DIAG_REQ_BYTECODE

	// Operations of the bytecode: a code, how many bytes further to go on if it is so (one byte), and if it is not (two).
	// Each of these is followed by another one, which says nothing but the port, where it would have the latter.
	portAtLeast = 2 // INET_DIAG_BC_S_GE
	portAtMost  = 3 // INET_DIAG_BC_S_LE
	comparison  = 8 // bytes of one with its port
	pastTheEnd  = 4 // where a socket is sent that is to be left out

	tcpClose  = 7  // TCP_CLOSE: of UDP a socket that is connected to nobody
	tcpListen = 10 // TCP_LISTEN
)
