package soak

import (
	"net"
	"sync"
	"time"
)

// state is what becomes of a link's bytes.
type state struct {
	cut     bool          // connections are closed and refused
	stalled bool          // nothing passes, and nobody is told
	delay   time.Duration // of every piece that passes
}

// link passes connections on to an address, and can be broken. Any number of goroutines may use it.
type link struct {
	listener net.Listener

	mu      sync.Mutex // guards all below
	target  string
	state   state
	changed chan struct{} // closed, and made anew, when state changes
	conns   map[net.Conn]bool
}

// newLink begins to listen on loopback.
func newLink(target string) (*link, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, target: target, changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	go l.accept()
	return l, nil
}

func (l *link) address() string { return l.listener.Addr().String() }

// set breaks the link, or mends it.
func (l *link) set(s state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
	close(l.changed)
	l.changed = make(chan struct{})
	if s.cut {
		l.closeAll()
	}
}

// closeAll closes what there is. The lock is held.
func (l *link) closeAll() {
	for c := range l.conns {
		_ = c.Close()
	}
	clear(l.conns)
}

// close ends the link.
func (l *link) close() {
	_ = l.listener.Close()
	l.set(state{cut: true})
}

func (l *link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		go l.serve(conn)
	}
}

func (l *link) serve(conn net.Conn) {
	l.mu.Lock()
	target := l.target
	l.mu.Unlock()
	other, err := net.DialTimeout("tcp4", target, time.Second)
	if err != nil {
		_ = conn.Close()
		return
	}
	if !l.note(conn, other) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pass(other, conn) })
	both.Go(func() { l.pass(conn, other) })
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, conn)
	delete(l.conns, other)
}

// note remembers a connection, unless the link is cut.
func (l *link) note(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.conns[c] = true
	}
	if l.state.cut {
		l.closeAll()
		return false
	}
	return true
}

// pass passes bytes on until one side ends, which ends both.
func (l *link) pass(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			l.wait()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait returns when a piece may pass.
func (l *link) wait() {
	for {
		l.mu.Lock()
		now, changed := l.state, l.changed
		l.mu.Unlock()
		if !now.stalled {
			time.Sleep(now.delay)
			return
		}
		<-changed
	}
}
