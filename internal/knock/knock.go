// Package knock connects to node ports and says what came of it: for kubectl portolan check, from where that runs, and for
// node-proxy knock, from a node.
package knock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Door is where to knock.
type Door struct {
	// Address has the node's address and the number.
	Address netip.AddrPort `json:"address"`
	// Protocol is TCP or UDP.
	Protocol string `json:"protocol"`
	// HTTP is the path that a GET asks for, once a TCP connection is there; empty: nothing is sent.
	HTTP string `json:"http,omitempty"`
	// Payload is the datagram that UDP sends; empty: it cannot be told whether anybody is there.
	Payload string `json:"payload,omitempty"`
}

// Outcome is what came of it.
type Outcome string

const (
	// OK is a connection; with UDP a datagram that came back.
	OK Outcome = "ok"
	// Refused is a reset, or ICMP that says that nobody is there.
	Refused Outcome = "refused"
	// TimedOut is no answer at all in time.
	TimedOut Outcome = "timed out"
	// Unreachable is that there is no way to the address.
	Unreachable Outcome = "unreachable"
	// Unknown is what cannot be told: UDP that has nothing to say, and SCTP.
	Unknown Outcome = "unknown"
)

// Answer is what came of knocking at a door.
type Answer struct {
	Door    Door    `json:"door"`
	Outcome Outcome `json:"outcome"`
	// Took is how long a connection took to be there, or a datagram to come back.
	Took time.Duration `json:"took,omitempty"`
	// Source is the address from which it was tried, as it is before anybody translates it.
	Source netip.Addr `json:"source,omitzero"`
	// Pod is the name that the answer to HTTP, or to a datagram, says: the field "pod" or "hostname" of a JSON object. Empty:
	// it says none.
	Pod string `json:"pod,omitempty"`
	// Detail is the error in the system's words.
	Detail string `json:"detail,omitempty"`
}

// At knocks at all doors, at so many at a time, each for so long at most, and returns the answers in their order.
func At(ctx context.Context, doors []Door, timeout time.Duration, parallel int) []Answer {
	answers := make([]Answer, len(doors))
	slots := make(chan struct{}, max(1, parallel))
	var knocking sync.WaitGroup
	for i, door := range doors {
		slots <- struct{}{}
		knocking.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			answers[i] = at(ctx, door)
		})
	}
	knocking.Wait()
	return answers
}

func at(ctx context.Context, door Door) Answer {
	answer := Answer{Door: door, Source: source(door.Address)}
	var err error
	switch {
	case door.Protocol == "TCP":
		err = answer.connect(ctx)
	case door.Protocol == "UDP" && door.Payload != "":
		err = answer.ask(ctx)
	default:
		answer.Outcome = Unknown
		return answer
	}
	answer.Outcome = outcomeOf(err)
	if err != nil {
		answer.Detail = err.Error()
	}
	return answer
}

// source is the address that the kernel would send from. Nothing is sent.
func source(to netip.AddrPort) netip.Addr {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	local, _ := conn.LocalAddr().(*net.UDPAddr)
	return local.AddrPort().Addr().Unmap()
}

// most is how much of an answer is read.
const most = 64 << 10

// connect makes a TCP connection. That it is there is what counts: what HTTP says after that can only name a Pod.
func (a *Answer) connect(ctx context.Context) error {
	began := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", a.Door.Address.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	a.Took = time.Since(began)
	if a.Door.HTTP != "" {
		a.Pod = get(ctx, conn, a.Door)
	}
	return nil
}

// get asks over a connection, and returns the Pod that the answer names.
func get(ctx context.Context, conn net.Conn, door Door) string {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+door.Address.String()+door.HTTP, nil)
	if err != nil {
		return ""
	}
	response, err := client.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return ""
	}
	return podIn(text)
}

// ask sends a datagram and waits for one.
func (a *Answer) ask(ctx context.Context) error {
	began := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", a.Door.Address.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := conn.Write([]byte(a.Door.Payload)); err != nil {
		return err
	}
	text := make([]byte, most)
	n, err := conn.Read(text)
	if err != nil {
		return err
	}
	a.Took, a.Pod = time.Since(began), podIn(text[:n])
	return nil
}

// podIn is the Pod that an answer names of its own accord.
func podIn(text []byte) string {
	var says struct{ Pod, Hostname string }
	if json.Unmarshal(text, &says) != nil {
		return ""
	}
	if says.Pod != "" {
		return says.Pod
	}
	return says.Hostname
}

func outcomeOf(err error) Outcome {
	var timeout net.Error
	switch {
	case err == nil:
		return OK
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return Refused
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut
	}
	return Unreachable
}

// ParseDoors reads a list of doors, in JSON.
func ParseDoors(in io.Reader) (doors []Door, err error) {
	if err := json.NewDecoder(in).Decode(&doors); err != nil {
		return nil, fmt.Errorf("read doors: %w", err)
	}
	return doors, nil
}
