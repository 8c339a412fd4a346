package cluster

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// The four servers' command lines: what a cluster made by kubeadm has, where it matters to what runs in it (both
// authorizers, NodeRestriction, service account tokens, the aggregator's front proxy), and nothing else.

func (c *Cluster) newEtcd(port int) *process {
	url := fmt.Sprintf("https://%s:%d", loopback, port)
	return c.newServer("etcd",
		"--data-dir="+c.state.path("etcd"),
		"--listen-client-urls="+url,
		"--advertise-client-urls="+url,
		"--listen-peer-urls=http://"+loopback+":0", // the one member has no peers
		"--unsafe-no-fsync",                        // the data need not outlive the machine
		"--client-cert-auth",
		"--trusted-ca-file="+c.pki.file("etcd-ca.crt"),
		"--cert-file="+c.pki.file("etcd.crt"),
		"--key-file="+c.pki.file("etcd.key"),
		"--log-level=warn",
	)
}

func (c *Cluster) newAPIServer(port int) *process {
	flags := []string{
		"--bind-address=" + loopback,
		fmt.Sprintf("--secure-port=%d", port),
		"--advertise-address=" + c.advertiseIP(),
		"--etcd-servers=" + c.etcdServers,
		"--etcd-cafile=" + c.pki.file("etcd-ca.crt"),
		"--etcd-certfile=" + c.pki.file("etcd-client.crt"),
		"--etcd-keyfile=" + c.pki.file("etcd-client.key"),
		"--tls-cert-file=" + c.pki.file("apiserver.crt"),
		"--tls-private-key-file=" + c.pki.file("apiserver.key"),
		"--client-ca-file=" + c.pki.file("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--egress-selector-config-file=" + c.state.path("egress.yaml"),
		"--service-cluster-ip-range=" + serviceCIDR,
		"--service-account-issuer=" + serviceIssuer,
		"--service-account-key-file=" + c.pki.file("service-account.pub"),
		"--service-account-signing-key-file=" + c.pki.file("service-account.key"),
		"--requestheader-client-ca-file=" + c.pki.file("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.pki.file("front-proxy-client.crt"),
		"--proxy-client-key-file=" + c.pki.file("front-proxy-client.key"),
		"--kubelet-certificate-authority=" + c.pki.file("ca.crt"),
		"--kubelet-client-certificate=" + c.pki.file("kubelet-client.crt"),
		"--kubelet-client-key=" + c.pki.file("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP", // nothing resolves the nodes' names
	}
	if c.options.ServiceNodePortRange != "" {
		flags = append(flags, "--service-node-port-range="+c.options.ServiceNodePortRange)
	}
	return c.newServer("kube-apiserver", append(flags, c.options.APIServerFlags...)...)
}

func (c *Cluster) newControllerManager(kubeconfig string) func(port int) *process {
	return func(port int) *process {
		return c.newServer("kube-controller-manager", append(c.controllerFlags("controller-manager", kubeconfig, port),
			"--use-service-account-credentials",
			"--service-account-private-key-file="+c.pki.file("service-account.key"),
			"--root-ca-file="+c.pki.file("ca.crt"),
			"--cluster-signing-cert-file="+c.pki.file("ca.crt"),
			"--cluster-signing-key-file="+c.pki.file("ca.key"),
			"--kube-api-qps=200",
			"--kube-api-burst=400",
		)...)
	}
}

func (c *Cluster) newScheduler(kubeconfig string) func(port int) *process {
	return func(port int) *process {
		return c.newServer("kube-scheduler", append(c.controllerFlags("scheduler", kubeconfig, port),
			"--kube-api-qps=200",
			"--kube-api-burst=400",
		)...)
	}
}

// controllerFlags are those the controller manager and the scheduler have in common.
func (c *Cluster) controllerFlags(name, kubeconfig string, port int) []string {
	return []string{
		"--bind-address=" + loopback,
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + c.pki.file(name+".crt"),
		"--tls-private-key-file=" + c.pki.file(name+".key"),
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--leader-elect=false",
	}
}

// newServer describes a child in the host's network namespace, run in the state directory.
func (c *Cluster) newServer(name string, flags ...string) *process {
	return c.newProcess(name, c.host, func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(c.options.BinDir, name), flags...)
		cmd.Dir = c.state.dir
		return cmd
	})
}
