package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// Echo is what every containerPort of a Pod answers: over TCP to any HTTP request, over UDP to any datagram. It is one
// line of JSON.
type Echo struct {
	Pod       string `json:"pod"`
	Namespace string `json:"namespace"`
	Node      string `json:"node"`
	Client    string `json:"client"` // address and port, as the Pod sees them
	Port      int32  `json:"port"`   // the containerPort
	Protocol  string `json:"protocol"`
}

func (e Echo) line() []byte {
	text, _ := json.Marshal(e) // strings and a number: cannot fail
	return append(text, '\n')
}

// echoServer serves all ports of one Pod.
type echoServer struct {
	servers []*http.Server
	packets []net.PacketConn
	serving sync.WaitGroup
}

// startEcho listens in the Pod's namespace on each containerPort and serves until close. SCTP ports are left out.
func startEcho(ns *namespace, pod *corev1.Pod, node string) (*echoServer, error) {
	s := &echoServer{}
	seen := map[string]bool{}
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			answer := Echo{Pod: pod.Name, Namespace: pod.Namespace, Node: node, Port: p.ContainerPort, Protocol: protocolOf(p)}
			key := fmt.Sprint(answer.Protocol, answer.Port)
			if seen[key] {
				continue
			}
			seen[key] = true
			if err := s.listen(ns, answer); err != nil {
				s.close()
				return nil, fmt.Errorf("listening on containerPort %d: %w", p.ContainerPort, err)
			}
		}
	}
	return s, nil
}

func protocolOf(p corev1.ContainerPort) string {
	if p.Protocol == "" {
		return string(corev1.ProtocolTCP)
	}
	return string(p.Protocol)
}

func (s *echoServer) listen(ns *namespace, answer Echo) error {
	address := fmt.Sprintf(":%d", answer.Port)
	switch corev1.Protocol(answer.Protocol) {
	case corev1.ProtocolTCP:
		return ns.do(func() error {
			l, err := net.Listen("tcp4", address)
			if err != nil {
				return err
			}
			s.serveTCP(l, answer)
			return nil
		})
	case corev1.ProtocolUDP:
		return ns.do(func() error {
			conn, err := net.ListenPacket("udp4", address)
			if err != nil {
				return err
			}
			s.serveUDP(conn, answer)
			return nil
		})
	}
	return nil
}

// portHandler answers every request, whatever its path.
func portHandler(answer Echo) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine := answer
		mine.Client = r.RemoteAddr
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(mine.line())
	})
}

func (s *echoServer) serveTCP(l net.Listener, answer Echo) {
	server := &http.Server{Handler: portHandler(answer)}
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			l.Close()
		}
	})
}

func (s *echoServer) serveUDP(conn net.PacketConn, answer Echo) {
	s.packets = append(s.packets, conn)
	s.serving.Go(func() {
		buffer := make([]byte, 2048)
		for {
			_, from, err := conn.ReadFrom(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // an ICMP error that answers an earlier datagram
			}
			mine := answer
			mine.Client = from.String()
			_, _ = conn.WriteTo(mine.line(), from)
		}
	})
}

// close ends every connection and returns when nothing is served any more.
func (s *echoServer) close() {
	for _, server := range s.servers {
		server.Close()
	}
	for _, conn := range s.packets {
		conn.Close()
	}
	s.serving.Wait()
}
