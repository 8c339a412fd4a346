package main

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// Pods take bytes and datagrams on bytesPort, and connections on doorPort, as fast as they can.
const (
	bytesPort = 9000
	doorPort  = 9001

	acceptQueue = 4096
	acceptors   = 2
)

// sink counts what is sent to a pod.
type sink struct{ bytes, datagrams atomic.Int64 }

// newSink serves both ports of a pod as long as t lives.
func newSink(t testnet.T, pod *testnet.Host) (*sink, error) {
	k := &sink{}
	var listener net.Listener
	var packets *net.UDPConn
	var door int
	err := pod.Do(func() (err error) {
		if listener, err = net.Listen("tcp4", fmt.Sprint(":", bytesPort)); err != nil {
			return err
		}
		if packets, err = net.ListenUDP("udp4", &net.UDPAddr{Port: bytesPort}); err != nil {
			return err
		}
		door, err = listenAtDoor()
		return err
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		listener.Close()
		packets.Close()
		_ = unix.Shutdown(door, unix.SHUT_RD) // so that nobody waits there any more
	})
	go k.takeStreams(listener)
	go k.takeDatagrams(packets)
	for range acceptors {
		go open(door)
	}
	return k, nil
}

func listenAtDoor() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	return fd, errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: doorPort}), unix.Listen(fd, acceptQueue))
}

// open takes connections and closes them, in the kernel's own words: a runtime's would be most of the work.
func open(door int) {
	for {
		fd, _, err := unix.Accept4(door, unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			_ = unix.Close(fd)
		case unix.EINTR, unix.ECONNABORTED: // the client has gone again
		default:
			return
		}
	}
}

func (k *sink) takeStreams(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go k.takeStream(c)
		}
	}
}

func (k *sink) takeStream(c net.Conn) {
	defer c.Close()
	buffer := make([]byte, 1<<18)
	for {
		n, err := c.Read(buffer)
		k.bytes.Add(int64(n))
		if err != nil {
			return
		}
	}
}

func (k *sink) takeDatagrams(c *net.UDPConn) {
	buffer := make([]byte, 2048)
	for {
		if _, _, err := c.ReadFromUDPAddrPort(buffer); errors.Is(err, net.ErrClosed) {
			return
		}
		k.datagrams.Add(1)
	}
}
