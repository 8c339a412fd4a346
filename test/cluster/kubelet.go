package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// The one thing that a kubelet's server does here is exec, into hostNetwork Pods that a process stands in for: see
// pkg/kubelet/server of Kubernetes. What is sent is told apart by the library that the runtimes use for it.
const (
	kubeletPort = 10250
	// kubeletClient is who the API server says that it is: of all that the cluster's authority has signed, only this client
	// is served. A kubelet would ask whether it may.
	kubeletClient = "kube-apiserver-kubelet-client"
	execPath      = "/exec/{namespace}/{pod}/{container}"
	execIdle      = 4 * time.Hour // a kubelet's
	notFound      = 127           // a shell's exit code of a command that cannot be run
)

// quiet is for connections that are given up.
var quiet = log.New(io.Discard, "", 0)

// serveKubelet listens at the node's address and serves until Stop.
func (a *agent) serveKubelet() error {
	config, err := a.cluster.pki.kubelet(a.node)
	if err != nil {
		return err
	}
	var listener net.Listener
	err = a.node.Do(func() (err error) {
		listener, err = net.Listen("tcp4", net.JoinHostPort(a.node.IP.String(), strconv.Itoa(kubeletPort)))
		return err
	})
	if err != nil {
		return fmt.Errorf("listening as its kubelet: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(execPath, a.serveExec)
	server := &http.Server{Handler: mux, TLSConfig: config, Protocols: new(http.Protocols), ErrorLog: quiet}
	server.Protocols.SetHTTP1(true) // what is upgraded is a connection
	context.AfterFunc(a.cluster.running, func() { server.Close() })
	a.cluster.background.Go(func() { _ = server.ServeTLS(listener, "", "") })
	return nil
}

// kubelet is how a node's kubelet serves: by its own name, to those that the cluster's authority has signed.
func (p *pki) kubelet(n *Node) (*tls.Config, error) {
	pair, err := p.cluster.server("system:node:"+n.Name, n.IP.String())
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(pair.cert, pair.key)
	clients := x509.NewCertPool()
	clients.AddCert(p.cluster.cert)
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}, err
}

// serveExec answers as a kubelet does: a Pod or container that is not there is said before anything is upgraded.
func (a *agent) serveExec(w http.ResponseWriter, r *http.Request) {
	if name := r.TLS.PeerCertificates[0].Subject.CommonName; name != kubeletClient {
		http.Error(w, fmt.Sprintf("Forbidden (user=%s)", name), http.StatusForbidden)
		return
	}
	pod, err := a.lister.Pods(r.PathValue("namespace")).Get(r.PathValue("pod"))
	if err != nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return
	}
	container := r.PathValue("container")
	s, ok := a.standInFor(pod)
	switch {
	case !slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == container }) || ok && !s.finished.IsZero():
		http.Error(w, fmt.Sprintf("container not found (%q)", container), http.StatusInternalServerError)
		return
	case !ok:
		http.Error(w, "there is no container in the demo cluster's Pods: each is an echo server", http.StatusNotImplemented)
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, executor{a.node, s.Container}, pod.Name, string(pod.UID), container, r.URL.Query()["command"],
		options, execIdle, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

// executor runs commands in a container of a node.
type executor struct {
	node *Node
	Container
}

// ExecInContainer implements remotecommand.Executor. There are no terminals.
func (e executor) ExecInContainer(_ context.Context, _, _, _ string, args []string, in io.Reader, out, errOut io.WriteCloser,
	tty bool, _ <-chan remotecommand.TerminalSize, _ time.Duration,
) error {
	cmd, err := e.command(args)
	if tty {
		err = errors.New("the demo cluster's nodes have no terminals: leave out -t")
	}
	if err != nil { // said and counted as runtimes do, as if it were the command's own
		fmt.Fprintln(discardIfNil(cmp.Or(errOut, out)), err)
		return utilexec.CodeExitError{Err: err, Code: notFound}
	}
	cmd.Stdout, cmd.Stderr = discardIfNil(out), discardIfNil(errOut)
	if in != nil {
		// Not cmd.Stdin: that would wait for the end of the input, which may come after the command's.
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(stdin, in)
			stdin.Close()
		}()
	}
	process, err := e.node.StartConfined(cmd, e.Capabilities...)
	if err != nil {
		return err
	}
	defer context.AfterFunc(e.node.cluster.running, func() { process.Stop(0) })()
	<-process.Done()
	if code := process.State().ExitCode(); code != 0 {
		return utilexec.CodeExitError{Err: errors.New(process.State().String()), Code: code}
	}
	return nil
}

// discardIfNil keeps what nobody asked for out of the node's logs.
func discardIfNil(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
