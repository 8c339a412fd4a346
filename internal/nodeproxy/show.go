package nodeproxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/explain"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// showPath is where a running node-proxy says what it does, beside its metrics.
const showPath = "/show"

// serverName is what answers there call themselves: at the same address kube-proxy may answer in its place.
const serverName = "portolan-node-proxy"

// showTimeout is how long an answer may take.
const showTimeout = 5 * time.Second

// errElsewhere: no node-proxy answers at an address.
var errElsewhere = errors.New("no node-proxy answers")

// Show writes what the node-proxy that runs here says about a Service ("namespace/name", or a name in the namespace
// default), a port's number, or in all, if the subject is empty. The addresses are those that its metrics may be at: the
// first counts at which a node-proxy answers, within five seconds.
func Show(ctx context.Context, addresses []string, subject string, out io.Writer) error {
	var tried []string
	for _, address := range addresses {
		err := ask(ctx, address, subject, out)
		if !errors.Is(err, errElsewhere) {
			return err
		}
		tried = append(tried, err.Error())
	}
	return fmt.Errorf("%s; if its metrics are elsewhere, say so by --metrics-bind-address; while kube-proxy has the port, `kubectl describe npns NODE` says how the node is", strings.Join(tried, "; "))
}

// ask writes what the node-proxy at an address says.
func ask(ctx context.Context, address, subject string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	target := url.URL{Scheme: "http", Host: dialable(address), Path: showPath, RawQuery: url.Values{"of": {subject}}.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%w at %s: %w", errElsewhere, address, errors.Unwrap(err)) // without the URL
	}
	defer response.Body.Close()
	if response.Header.Get("Server") != serverName {
		return fmt.Errorf("%w at %s: something else does", errElsewhere, address)
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return errors.New(cmp.Or(strings.TrimSpace(string(text)), response.Status))
	}
	_, err = io.Copy(out, response.Body)
	return err
}

// dialable is where one reaches what listens at an address.
func dialable(address string) string {
	at, err := netip.ParseAddrPort(address)
	switch {
	case strings.HasPrefix(address, ":"):
		return "127.0.0.1" + address
	case err == nil && at.Addr().IsUnspecified():
		return netip.AddrPortFrom(loopback(at.Addr()), at.Port()).String()
	}
	return address
}

func loopback(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// serveShow answers Show, and nobody from elsewhere: metrics count, this names Services.
func (a *Agent) serveShow(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", serverName)
	if !fromHere(r) {
		http.Error(w, "this is answered on the node itself only: run node-proxy show there", http.StatusForbidden)
		return
	}
	text, err := a.show(r.FormValue("of"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8") // not what a browser would take it for
	_, _ = io.WriteString(w, text)                              //nolint:gosec // a client that has gone misses nothing; plain text, and said to be
}

// fromHere says whether a request was made on this node: who is asked by an address of the node, and asks from the same
// one, is there.
func fromHere(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || local == nil {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return from.Addr().Unmap().IsLoopback() || err == nil && from.Addr().Unmap() == at.Addr().Unmap()
}

func (a *Agent) show(subject string) (string, error) {
	if subject == "" {
		return a.Status().String(), nil
	}
	switch port, err := strconv.ParseUint(subject, 10, 16); {
	case err == nil:
		return a.showPort(uint16(port))
	case errors.Is(err, strconv.ErrRange):
		return "", fmt.Errorf("there is no port %s: ports go to 65535; a Service of this name is %s/%s", subject, corev1.NamespaceDefault, subject)
	}
	namespace, name, ok := strings.Cut(subject, "/")
	if !ok {
		namespace, name = corev1.NamespaceDefault, subject
	}
	return a.showService(types.NamespacedName{Namespace: namespace, Name: name})
}

func (a *Agent) showService(name types.NamespacedName) (string, error) {
	subject := a.subject(name)
	if subject.Service == nil {
		return "", fmt.Errorf("there is no Service %s, or it is headless and no node has anything to do for it; for another namespace write show NAMESPACE/%s", name, name.Name)
	}
	return explain.Service(subject), nil
}

// showPort explains the Services that have a port as their node port, or for health checks, whoever serves them, and says
// what else on the node uses it.
func (a *Agent) showPort(port uint16) (string, error) {
	var texts []string
	for _, name := range a.tracker.Names() {
		svc, _ := a.tracker.Service(name)
		if !hasNumber(svc, port) {
			continue
		}
		if subject := a.subject(name); subject.Service != nil {
			texts = append(texts, explain.Service(subject))
		}
	}
	slices.Sort(texts)
	if clashes := a.clashesAt(port); len(clashes) > 0 {
		texts = append(texts, strings.Join(clashes, "\n")+"\n")
	}
	if len(texts) == 0 {
		return "", fmt.Errorf("no Service has node port %d, and nothing else on this node uses it", port)
	}
	return strings.Join(texts, "\n"), nil
}

// clashesAt are sentences about what else uses a port.
func (a *Agent) clashesAt(port uint16) []string {
	var lines []string
	if report := a.Status().Clashes; report != nil {
		for _, c := range report.Clashes {
			if c.NodePort == int32(port) {
				lines = append(lines, c.Sentence())
			}
		}
	}
	return lines
}

func (a *Agent) subject(name types.NamespacedName) explain.Subject {
	status := a.Status()
	svc, endpointSlices := a.tracker.Service(name)
	return explain.Subject{
		Service:     svc,
		Slices:      endpointSlices,
		Plan:        route.Service(svc, endpointSlices, status.View.Node, a.options.Selection),
		Conflicts:   status.Conflicts,
		Mode:        a.options.Selection.Mode,
		Doors:       a.doors(svc, status.Crowded),
		Guarded:     status.Guards.known(),
		Labels:      status.View.Labels,
		Node:        status.View.Node,
		NodePortIPs: status.View.Network.NodePortIPs,
	}
}
