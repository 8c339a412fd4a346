package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// patience is for what is sure to come, on a machine that others keep busy.
const patience = 30 * time.Second

// world is a site with a node-proxy that serves all Services.
type world struct {
	*testing.T
	*proxysite.Site
	command   proxysite.Command
	proxy     *proxysite.Proxy // nil while none runs
	namespace string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if plane == nil {
		t.Skip("needs root: it makes network namespaces")
	}
	w := &world{T: t, Site: plane.NewSite(t.Context(), t), command: proxysite.Command{Kind: proxysite.NodeProxy}}
	w.namespace = "faults-" + w.NodeName
	_, err := w.api().CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, metav1.CreateOptions{})
	w.must(err)
	t.Cleanup(w.clear)
	return w
}

// clear leaves nothing behind that others would have to serve.
func (w *world) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if w.proxy != nil {
		if w.Failed() {
			w.Log(w.proxy.Log())
		}
		w.proxy.Kill()
	}
	services, err := w.api().CoreV1().Services(w.namespace).List(ctx, metav1.ListOptions{})
	if err == nil {
		for _, svc := range services.Items {
			_ = w.api().CoreV1().Services(w.namespace).Delete(ctx, svc.Name, metav1.DeleteOptions{})
		}
	}
	_ = w.api().DiscoveryV1().EndpointSlices(w.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	_ = w.api().CoreV1().Namespaces().Delete(ctx, w.namespace, metav1.DeleteOptions{})
}

func (w *world) api() kubernetes.Interface { return w.Plane.API }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// until waits for something.
func (w *world) until(what string, is func() bool) {
	w.Helper()
	w.untilWithin(patience, what, is)
}

// untilWithin is until for what takes that long by its nature.
func (w *world) untilWithin(long time.Duration, what string, is func() bool) {
	w.Helper()
	for deadline := time.Now().Add(long); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("not within %s: %s", long, what)
		}
	}
}

// start starts a node-proxy, and returns when it is in step.
func (w *world) start() {
	w.Helper()
	p, err := w.Start(w.Context(), w.command)
	w.must(err)
	w.proxy = p
}

// end ends the node-proxy as a rolling update does, kill in the middle of what it does.
func (w *world) end()  { w.proxy.Stop(); w.proxy = nil }
func (w *world) kill() { w.proxy.Kill(); w.proxy = nil }

// settle waits until the node has all that was written.
func (w *world) settle() {
	w.Helper()
	w.until("in step", func() bool { return w.InStep(w.Context()) == nil })
}

// service is one that is to be made with put, over TCP and UDP.
func (w *world) service(name string) *st.Service {
	return st.MakeService(w.namespace+"/"+name).
		NodePort(80, 0, st.Named("tcp"), st.Target(proxysite.PodPort)).
		NodePort(80, 0, st.Named("udp"), st.Target(proxysite.PodPort), st.UDP)
}

// put makes a Service, with pods behind it.
func (w *world) put(s *st.Service, pods ...*testnet.Host) *corev1.Service {
	w.Helper()
	svc := s.Obj()
	svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack)
	svc, err := w.api().CoreV1().Services(w.namespace).Create(w.Context(), svc, metav1.CreateOptions{})
	w.must(err)
	w.serve(svc.Name, pods...)
	return svc
}

// serve puts pods behind a Service, in the place of others.
func (w *world) serve(service string, pods ...*testnet.Host) {
	w.Helper()
	for _, like := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		slice := w.slice(service, like)
		for _, pod := range pods {
			slice.Endpoint(pod.AddressLike(like).String(), st.OnNode(w.NodeName))
		}
		w.putSlice(slice.Obj())
	}
}

// slice is one of the family of an address.
func (w *world) slice(service string, like netip.Addr) *st.Slice {
	if like.Is6() {
		return w.ports(st.MakeSlice(w.namespace+"/"+service, "ipv6").IPv6())
	}
	return w.ports(st.MakeSlice(w.namespace+"/"+service, "ipv4"))
}

func (w *world) ports(s *st.Slice) *st.Slice {
	return s.Port("tcp", proxysite.PodPort).Port("udp", proxysite.PodPort, st.UDP)
}

func (w *world) putSlice(slice *discoveryv1.EndpointSlice) {
	w.Helper()
	api := w.api().DiscoveryV1().EndpointSlices(w.namespace)
	_, err := api.Update(w.Context(), slice, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = api.Create(w.Context(), slice, metav1.CreateOptions{})
	}
	w.must(err)
}

// target is where a client asks for a Service.
type target struct {
	name, network string
	at            netip.AddrPort
}

// targets are a Service's node port and cluster IP over both families, of a network.
func (w *world) targets(svc *corev1.Service, network string) []target {
	var all []target
	port := svc.Spec.Ports[map[string]int{"tcp": 0, "udp": 1}[network]]
	for i, text := range svc.Spec.ClusterIPs {
		ip := netip.MustParseAddr(text)
		family := svc.Spec.IPFamilies[i]
		all = append(all,
			target{fmt.Sprintf("cluster IP, %s, %s", family, network), network, netip.AddrPortFrom(ip, 80)},
			target{fmt.Sprintf("node port, %s, %s", family, network), network, netip.AddrPortFrom(w.Node.AddressLike(ip), uint16(port.NodePort))})
	}
	return all
}

// both are a Service's targets over TCP and over UDP.
func (w *world) both(svc *corev1.Service) []target {
	return append(w.targets(svc, "tcp"), w.targets(svc, "udp")...)
}

// wantServed wants a Service to be served by now, by one of these at each target.
func (w *world) wantServed(svc *corev1.Service, pods ...*testnet.Host) {
	w.Helper()
	for _, t := range w.both(svc) {
		echo, err := w.Client.Ask(w.Context(), t.network, t.at, patience)
		if err != nil {
			w.Errorf("%s at %s: %v", t.name, t.at, err)
			continue
		}
		named := false
		for _, pod := range pods {
			named = named || pod.Name == echo.Host
		}
		if !named {
			w.Errorf("%s at %s is served by %s", t.name, t.at, echo.Host)
		}
	}
}

// held is what the node's kernel has.
func (w *world) held() nft.Table {
	w.Helper()
	var held nft.Table
	w.must(w.Node.Do(func() error {
		k, err := nft.Open()
		if err != nil {
			return err
		}
		defer k.Close()
		held, err = k.Read()
		return err
	}))
	return held
}

// nft runs the command of that name on the node.
func (w *world) nft(args ...string) (string, error) {
	w.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		w.Skip("needs the nft command: make system-packages")
	}
	var out []byte
	err = w.Node.Do(func() (err error) {
		out, err = exec.Command(path, args...).CombinedOutput()
		return err
	})
	return string(out), err
}

// wantAsFresh wants the kernel to have what a node-proxy writes that begins on a new node. That one runs then. Nobody
// else may write Services meanwhile.
func (w *world) wantAsFresh() {
	w.Helper()
	launch, err := w.Prepare(w.Context(), w.command)
	w.must(err)
	w.settle()
	held := w.held().Canonical()
	w.kill()
	w.remove()
	w.proxy, err = launch()
	w.must(err)
	var c nft.Change
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c = nft.Diff(w.held().Canonical(), held); c.Empty() {
			return
		}
	}
	w.Errorf("%d elements lack and %d are too much, such as %v and %v", len(c.Delete), len(c.Add), few(c.Delete), few(c.Add))
}

func few(elements []nft.Element) []nft.Element { return elements[:min(3, len(elements))] }

// remove removes the table, while no node-proxy runs.
func (w *world) remove() {
	w.Helper()
	w.must(w.Node.Do(func() error {
		k, err := nft.Open()
		if err != nil {
			return err
		}
		defer k.Close()
		return k.Remove()
	}))
}

// listed is the table as the nft command lists it, with the numbers of what is in it: what is written anew has others.
// Who owns it and what it has counted is left out.
func (w *world) listed() string {
	w.Helper()
	out, err := w.nft("-a", "list", "table", "inet", "portolan")
	if err != nil {
		w.Fatal(err, out)
	}
	_, inside, _ := strings.Cut(out, "{")
	_, inside, _ = strings.Cut(inside, "\n\t")
	return regexp.MustCompile("flags .*\n|packets [0-9]+ bytes [0-9]+").ReplaceAllString(inside, "")
}

// show is what the node-proxy says of itself; nothing before it does.
func (w *world) show() string {
	w.Helper()
	binary := filepath.Join(install.Repository(), "bin", "node-proxy")
	var out []byte
	err := w.Node.Do(func() (err error) {
		out, err = exec.Command(binary, "show", fmt.Sprint("--metrics-bind-address=127.0.0.1:", proxysite.MetricsPort)).Output()
		return err
	})
	if err != nil {
		return ""
	}
	return string(out)
}

// onNode is a client on the node that makes one connection, and keeps it.
func (w *world) onNode() *http.Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			err = w.Node.Do(func() error {
				conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
				return err
			})
			return conn, err
		},
	}
	w.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// get is what the node-proxy answers beside its metrics, and there.
func (w *world) get(client *http.Client, path string) string {
	w.Helper()
	resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", proxysite.MetricsPort, path))
	w.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	w.must(err)
	return string(text)
}
