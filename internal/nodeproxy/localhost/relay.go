package localhost

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// lingering is as long as kube-proxy has conntrack keep a connection that one end has closed.
const lingering = time.Hour

// relay passes on what each of two connections says until both have said all, or one breaks, or ctx ends; then both are
// closed. An end that closes half of its connection is still answered, for as long as lingering. A connection that is
// reset resets the other. One whose peer has vanished breaks by TCP's keepalive, after a few minutes.
func relay(ctx context.Context, a, b *net.TCPConn, lingering time.Duration) {
	resetBoth := sync.OnceFunc(func() {
		reset(a)
		reset(b)
	})
	stop := context.AfterFunc(ctx, resetBoth)
	defer stop()
	pass := func(from, to *net.TCPConn) {
		if _, err := io.Copy(to, from); err != nil || to.CloseWrite() != nil {
			resetBoth()
			return
		}
		// The other way ends by then.
		_ = to.SetReadDeadline(time.Now().Add(lingering))
		_ = from.SetWriteDeadline(time.Now().Add(lingering))
	}
	var passing sync.WaitGroup
	passing.Go(func() { pass(a, b) })
	passing.Go(func() { pass(b, a) })
	passing.Wait()
	a.Close()
	b.Close()
}

// reset closes a connection so that its peer sees that it has broken.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	c.Close()
}
