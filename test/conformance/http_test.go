package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"net/netip"

	"golang.org/x/sys/unix"
)

// askHTTP asks a proxy about health, from the thread that it is called on. An outcome is the status, and of a Service
// the number of its local endpoints, which the body and a header say.
func askHTTP(ctx context.Context, o *outcome, to netip.AddrPort, path string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
	if errors.Is(err, unix.ECONNREFUSED) {
		o.failures[refused]++
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	request, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, "http://"+to.String()+path, nil)
	if err != nil {
		return err
	}
	transport := &nethttp.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text := fmt.Sprint(response.StatusCode)
	if path == "/" {
		var body struct {
			LocalEndpoints      int
			ServiceProxyHealthy bool
		}
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
			return err
		}
		text = fmt.Sprintf("%s, %d local, weight %s, proxy healthy: %t", text, body.LocalEndpoints,
			response.Header.Get("X-Load-Balancing-Endpoint-Weight"), body.ServiceProxyHealthy)
	}
	o.add(text, false)
	return nil
}
